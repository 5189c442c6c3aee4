//! Many keys at once: which they are, what becomes of each, and what is left in the audit log.

use keyward_control_plane::domain::key::KeyStatus;
use keyward_control_plane::domain::member::Role;
use keyward_control_plane::domain::permission::Permission;
use keyward_control_plane::domain::scope::Scopes;
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::lifecycle::{
    ArchiveKey, BulkAction, BulkDone, BulkKey, BulkKeys, BulkOutcome, BulkTarget, Context, CreateKey, DisableKey,
    IfMatch, KeyListInput, KeyPatch, KeyRef, KeySource, Missing, PatchKey, PatchWorkspace, Refusal, RotateKey, Seen,
    WorkspaceFields,
};
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::policy::Access;
use sqlx::Row as _;

use crate::audit::all_told;
use crate::house::{House, acting, create, fields, fingerprint, target};

fn by_ids(workspace: WorkspaceId, keys: &[KeyRef], action: BulkAction) -> BulkKeys {
    BulkKeys { workspace, target: BulkTarget::Ids(keys.iter().map(|target| target.key).collect()), action }
}

fn by_filter(workspace: WorkspaceId, filter: KeyListInput, action: BulkAction) -> BulkKeys {
    BulkKeys { workspace, target: BulkTarget::Filter { filter: Box::new(filter), cursor: None }, action }
}

fn with_access(access: &str) -> KeyListInput {
    KeyListInput { access: Some(access.to_owned()), ..KeyListInput::default() }
}

/// Name and outcome of each, names in order; a refusal by its words.
fn told(done: &BulkDone) -> Vec<String> {
    let line = |key: &BulkKey| {
        let name = key.name.as_ref().map_or("-", |name| name.as_str());
        match &key.outcome {
            BulkOutcome::Refused(refusal) => format!("{name}: {refusal}"),
            outcome => format!("{name}: {}", outcome.as_str()),
        }
    };
    done.keys.iter().map(line).collect()
}

#[tokio::test]
async fn keys_are_changed_by_ids_each_judged_by_itself() {
    let house = House::new().await;
    let (home, abroad) = (house.workspace("Acme").await.id, house.workspace("Other").await.id);
    let (running, secret) = house.key(home, "running").await;
    let (stopped, _) = house.key(home, "stopped").await;
    let (archived, _) = house.key(home, "archived").await;
    let (foreign, _) = house.key(abroad, "foreign").await;
    house.run(DisableKey { target: stopped }).await.expect("disabled");
    house.run(ArchiveKey { target: archived }).await.expect("archived");
    let nowhere = KeyRef { workspace: home, key: KeyId::from_u64(7) };
    let all = [foreign, stopped, nowhere, running, archived];

    let done = house.run(by_ids(home, &all, BulkAction::Disable)).await.expect("done");
    let missing = format!("-: {}", Refusal::NotFound(Missing::Key));
    let missing = missing.as_str();
    let refused = "archived: the key is archived; it can only be deleted";
    assert_eq!(told(&done), [missing, "stopped: unchanged", missing, "running: changed", refused]);
    assert_eq!(house.touched().await, [(Some(fingerprint(&secret)), true)]);
    assert_eq!(house.view(running).await.status, KeyStatus::Disabled);
    assert_eq!((house.view(running).await.key.version, house.view(stopped).await.key.version), (2, 2));

    let done = house.run(by_ids(home, &all, BulkAction::Enable)).await.expect("done");
    assert_eq!(told(&done), [missing, "stopped: changed", missing, "running: changed", refused]);
    assert_eq!(house.touched().await.len(), 2);
    assert!(house.touched().await.iter().all(|(_, narrowing)| !narrowing));

    let done = house.run(by_ids(home, &all, BulkAction::Delete)).await.expect("done");
    assert_eq!(told(&done), [missing, "stopped: changed", missing, "running: changed", "archived: changed"]);
    assert_eq!(house.number("SELECT COUNT(*) FROM key WHERE status <> 'deleted'").await, 1, "the foreign one");
    assert!(house.touched().await.iter().all(|(_, narrowing)| *narrowing));
}

#[tokio::test]
async fn one_generation_has_an_event_for_the_whole_and_one_for_each_key_that_changed() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let (one, _) = house.key(home, "one").await;
    let (two, _) = house.key(home, "two").await;
    house.run(DisableKey { target: two }).await.expect("disabled");
    let log = all_told(&house, by_ids(home, &[one, two], BulkAction::Disable)).await;
    assert_eq!(log, ["Disable API Keys: bulk_disable", "Disable API Keys: disable"]);
    let log = all_told(&house, by_ids(home, &[one, two], BulkAction::Enable)).await;
    assert_eq!(log, ["Enable API Keys: bulk_enable", "Enable API Keys: enable", "Enable API Keys: enable"]);
    let log = all_told(&house, by_filter(home, with_access("read-only"), BulkAction::Delete)).await;
    assert_eq!(log, ["Delete API Keys: bulk_delete", "Delete API Keys: delete", "Delete API Keys: delete"]);
    let sql = "SELECT target_id, target_name, details FROM audit_event WHERE details LIKE '%bulk_delete%'";
    let row = &house.rows(sql).await[0];
    assert_eq!((row.get::<String, _>(0), row.get::<String, _>(1)), (home.to_string(), "Acme".to_owned()));
    let details: serde_json::Value = serde_json::from_str(row.get(2)).expect("JSON");
    let expected = serde_json::json!({
        "operation": "bulk_delete", "before": null, "after": null,
        "changed": 2, "unchanged": 0, "refused": 0, "filter": { "access": "read-only" },
    });
    assert_eq!(details, expected);
    // Nothing to do is said all the same.
    let log = all_told(&house, by_filter(home, with_access("read-only"), BulkAction::Delete)).await;
    assert_eq!(log, ["Delete API Keys: bulk_delete"]);
}

#[tokio::test]
async fn keys_not_used_for_90_days_are_disabled_and_a_key_made_yesterday_is_not() {
    const DAY: u32 = 86_400;
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    for name in ["never used", "used long ago", "used lately"] {
        house.key(home, name).await;
    }
    house.pass(99 * DAY);
    house.key(home, "made yesterday").await;
    house.pass(DAY);
    let days_ago = |days: i64| UnixMillis::from_millis(house.now().as_millis() - days * i64::from(DAY) * 1000);
    for (name, days) in [("used long ago", 91), ("used lately", 89)] {
        let used = days_ago(days).as_millis();
        house.rows(&format!("UPDATE key SET last_used_at = {used} WHERE name = '{name}'")).await;
    }
    let unused = || KeyListInput { last_used_before: Some(days_ago(90)), ..KeyListInput::default() };
    let done = house.run(by_filter(home, unused(), BulkAction::Disable)).await.expect("done");
    let mut changed = told(&done);
    changed.sort_unstable();
    assert_eq!(changed, ["never used: changed", "used long ago: changed"]);
    // What is as wanted already is not found again, so that asking again comes to an end.
    let done = house.run(by_filter(home, unused(), BulkAction::Disable)).await.expect("done");
    assert!(done.keys.is_empty() && done.next_cursor.is_none());
    let done = house.run(by_filter(home, unused(), BulkAction::Enable)).await.expect("done");
    assert_eq!(done.keys.len(), 2);
}

#[tokio::test]
async fn time_alone_is_no_change() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let (key, _) = house.key(home, "rotated").await;
    house.run(RotateKey { target: key, grace_seconds: 60 }).await.expect("rotated");
    house.pass(60);
    let done = house.run(by_ids(home, &[key], BulkAction::Enable)).await.expect("done");
    assert_eq!(told(&done), ["rotated: unchanged"]);
    assert_eq!(house.view(key).await.key.version, 2);
    house.run(by_ids(home, &[key], BulkAction::Disable)).await.expect("done");
    assert_eq!(house.view(key).await.key.version, 3);
}

#[tokio::test]
async fn a_preview_changes_nothing_and_its_tag_holds_until_something_else_would_happen() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let (one, _) = house.key(home, "one").await;
    house.key(home, "two").await;
    let (events, generation) = (house.events().await, house.generation().await);
    let delete = || by_filter(home, with_access("read-only"), BulkAction::Delete);
    let preview = async || house.lifecycle.preview(&house.context(), delete()).await.expect("previewed");
    let shown = preview().await;
    let mut lines = told(&shown);
    lines.sort_unstable();
    assert_eq!(lines, ["one: changed", "two: changed"]);
    assert_eq!((house.events().await, house.generation().await), (events, generation));
    assert_eq!(house.number("SELECT COUNT(*) FROM key WHERE status = 'active'").await, 2);
    assert_eq!(preview().await.plan, shown.plan);

    let seen = |shown: &BulkDone| {
        let seen = vec![Seen { version: shown.version, plan: Some(shown.plan) }];
        house.context().with_if_match(Some(IfMatch::Seen(seen)))
    };
    let act = async |shown: &BulkDone| house.lifecycle.execute(&seen(shown), delete()).await.map(|(done, _)| done);
    // A key that was made, one that was edited, and another action: each is something else.
    house.key(home, "three").await;
    assert!(matches!(act(&shown).await, Err(Refusal::PreconditionFailed { version: 1 })));
    let shown = preview().await;
    let patch = KeyPatch { name: Some("renamed".to_owned()), ..KeyPatch::default() };
    house.run(PatchKey { target: one, patch }).await.expect("patched");
    assert!(matches!(act(&shown).await, Err(Refusal::PreconditionFailed { .. })));
    let shown = preview().await;
    let disable = BulkKeys { action: BulkAction::Disable, ..delete() };
    let refused = house.lifecycle.execute(&seen(&shown), disable).await.err();
    assert!(matches!(refused, Some(Refusal::PreconditionFailed { .. })));
    assert_eq!(act(&shown).await.expect("as it was shown").keys.len(), 3);
}

#[tokio::test]
async fn staff_disable_their_own_only() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let staff = house.member(home, Role::Staff).await;
    let lite = house.member(home, Role::Lite).await;
    let own = target(&house.run_as(staff, create(home, "own")).await.expect("a key").key);
    let (others, _) = house.key(home, "another's").await;
    let nowhere = KeyRef { workspace: home, key: KeyId::from_u64(7) };
    let done = house.run_as(staff, by_ids(home, &[own, others, nowhere], BulkAction::Disable)).await.expect("done");
    let missing = format!("-: {}", Refusal::NotFound(Missing::Key));
    assert_eq!(told(&done), ["own: changed", missing.as_str(), missing.as_str()]);
    let done = house.run_as(staff, by_filter(home, with_access("read-only"), BulkAction::Enable)).await.expect("done");
    assert_eq!(told(&done), ["own: changed"]);
    let of_others = KeyListInput { member: Some(lite.to_string()), ..KeyListInput::default() };
    let done = house.run_as(staff, by_filter(home, of_others, BulkAction::Disable)).await.expect("done");
    assert!(done.keys.is_empty());
    let refused = house.run_as(lite, by_ids(home, &[own], BulkAction::Disable)).await.err();
    assert!(matches!(refused, Some(Refusal::NotFound(Missing::Key))));
    let abroad = house.workspace("Other").await.id;
    let refused = house.run_as(staff, by_ids(abroad, &[own], BulkAction::Disable)).await.err();
    assert!(matches!(refused, Some(Refusal::NotFound(Missing::Workspace))));
    // To find keys is to read them.
    let mut actor = acting(staff);
    actor.scopes = Scopes::stored(vec!["keys:write".to_owned()]);
    let narrowed = || Context { actor: actor.clone(), ..house.context() };
    let found = by_filter(home, with_access("read-only"), BulkAction::Disable);
    let refused = house.lifecycle.execute(&narrowed(), found).await.err();
    assert!(matches!(refused, Some(Refusal::Forbidden(Permission::KeyRead))));
    let named = by_ids(home, &[own], BulkAction::Disable);
    assert!(house.lifecycle.execute(&narrowed(), named).await.is_ok());
}

#[tokio::test]
async fn nothing_is_started_that_could_not_be_made() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let staff = house.member(home, Role::Staff).await;
    let mut writer = create(home, "writer");
    writer.fields.access = Access::ReadWrite;
    let writer = target(&house.run_as(staff, writer).await.expect("a key").key);
    let reader = target(&house.run_as(staff, create(home, "reader")).await.expect("a key").key);
    house.run(by_ids(home, &[writer, reader], BulkAction::Disable)).await.expect("disabled");
    let policy = WorkspaceFields { staff_max_access: Some(Access::ReadOnly), ..WorkspaceFields::default() };
    house.run(PatchWorkspace { workspace: home, fields: policy }).await.expect("patched");
    let enable = || by_ids(home, &[writer, reader], BulkAction::Enable);
    let done = house.run_as(staff, enable()).await.expect("done");
    let forbidden = Refusal::Forbidden(Permission::KeyStart).to_string();
    assert_eq!(told(&done), [format!("writer: {forbidden}"), "reader: changed".to_owned()]);
    // Nor by an operator: it is the member who may not have it.
    let done = house.run(enable()).await.expect("done");
    assert!(matches!(&done.keys[0].outcome, BulkOutcome::Refused(Refusal::AboveMember)));
    assert_eq!(house.view(writer).await.status, KeyStatus::Disabled);
    // To stop and to end is always possible.
    assert_eq!(
        told(&house.run_as(staff, by_ids(home, &[writer], BulkAction::Delete)).await.expect("done")),
        ["writer: changed"]
    );
}

#[tokio::test]
async fn more_keys_than_one_call_takes_are_reached_by_asking_again() {
    const KEYS: usize = 1_003;
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    for number in 0..KEYS {
        let fields = fields(&format!("key {number}"));
        let source = KeySource::Sha256(format!("{number:064x}"));
        house.run(CreateKey { workspace: home, fields, source }).await.expect("a key");
    }
    let filter = || with_access("read-only");
    // A preview is read page by page.
    let first = house.lifecycle.preview(&house.context(), by_filter(home, filter(), BulkAction::Disable)).await;
    let first = first.expect("previewed");
    assert_eq!(first.keys.len(), 1_000);
    let rest = |cursor: Option<String>, action| BulkKeys {
        workspace: home,
        target: BulkTarget::Filter { filter: Box::new(filter()), cursor },
        action,
    };
    let cursor = first.next_cursor.clone();
    let second = house.lifecycle.preview(&house.context(), rest(cursor.clone(), BulkAction::Disable)).await;
    let second = second.expect("previewed");
    assert_eq!((second.keys.len(), second.next_cursor), (3, None));
    assert!(second.keys.iter().all(|key| first.keys.iter().all(|other| other.id != key.id)));
    for (cursor, action) in [(cursor, BulkAction::Enable), (Some("x".to_owned()), BulkAction::Disable)] {
        let refused = house.run(rest(cursor, action)).await.err();
        assert!(matches!(refused, Some(Refusal::Invalid(invalid)) if invalid.field == "cursor"));
    }
    // To act, the same call again does as well.
    for (changed, more) in [(1_000, true), (3, false), (0, false)] {
        let done = house.run(by_filter(home, filter(), BulkAction::Disable)).await.expect("done");
        assert_eq!((done.keys.len(), done.next_cursor.is_some()), (changed, more));
    }
    assert_eq!(house.number("SELECT COUNT(*) FROM key WHERE status = 'disabled'").await, 1_003);
}

#[tokio::test]
async fn what_is_wrong_with_the_choice_of_keys_is_named() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let (key, _) = house.key(home, "one").await;
    let generation = house.generation().await;
    let ids = BulkTarget::Ids;
    let filter = |filter: KeyListInput| BulkTarget::Filter { filter: Box::new(filter), cursor: None };
    let text = |text: &str| Some(text.to_owned());
    let none = KeyListInput::default();
    let many = (0..1_001).map(KeyId::from_u64).collect();
    for (target, field) in [
        (ids(Vec::new()), "ids"),
        (ids(many), "ids"),
        (ids(vec![key.key, KeyId::from_u64(7), key.key]), "ids[2]"),
        (filter(none.clone()), "filter"),
        (filter(KeyListInput { status: text("gone"), ..none.clone() }), "filter.status"),
        (filter(KeyListInput { api: text("nope"), ..none }), "filter.api"),
    ] {
        let refused = house.run(BulkKeys { workspace: home, target, action: BulkAction::Delete }).await.err();
        assert!(matches!(refused, Some(Refusal::Invalid(invalid)) if invalid.field == field), "{field}");
    }
    let nowhere = by_ids(WorkspaceId::from_u64(7), &[key], BulkAction::Delete);
    assert!(matches!(house.run(nowhere).await, Err(Refusal::NotFound(Missing::Workspace))));
    assert_eq!(house.generation().await, generation);
}
