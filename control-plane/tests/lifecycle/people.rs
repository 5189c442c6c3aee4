//! Members and teams: what their changes leave in the database, the audit log and the outbox.

use keyward_control_plane::domain::edit::Edit;
use keyward_control_plane::domain::member::{MemberKind, Role};
use keyward_control_plane::domain::offboarding::Outcome;
use keyward_control_plane::lifecycle::{
    ChangedMember, CreateKey, CreateMember, CreateTeam, DeleteTeam, KeyFields, KeyRef, KeySource, MemberFields,
    MemberPatch, MemberRef, Missing, PatchMember, PatchTeam, PatchWorkspace, Reassign, Refusal, RemoveMember,
    RotateKey, TeamRef, WorkspaceFields,
};
use keyward_control_plane::store::Store as _;
use keyward_shared::api_key::ApiKey;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::Access;
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::audit::{all_told, told};
use crate::house::{House, fields, fingerprint, system, target};

fn add(workspace: WorkspaceId, name: &str, role: Role) -> CreateMember {
    let fields = MemberFields {
        kind: MemberKind::Person,
        email: Some(format!("{name}@example.com")),
        name: name.to_owned(),
        role,
        team_ids: Vec::new(),
        external_id: None,
    };
    CreateMember { workspace, fields }
}

fn becomes(target: MemberRef, role: Role, reassign: Reassign) -> PatchMember {
    PatchMember { target, patch: MemberPatch { role: Some(role), ..MemberPatch::default() }, reassign }
}

async fn key_of(house: &House, holder: MemberRef, name: &str, access: Access) -> (KeyRef, ApiKey) {
    let fields = KeyFields { access, member_id: Some(holder.member), ..fields(name) };
    let verb = CreateKey { workspace: holder.workspace, fields, source: KeySource::Generate };
    let created = house.run(verb).await.expect("a key");
    (target(&created.key), created.secret.expect("a secret"))
}

async fn somebody(house: &House, workspace: WorkspaceId, role: Role) -> MemberRef {
    MemberRef { workspace, member: house.member(workspace, role).await }
}

async fn is_gone(house: &House, key: KeyRef) -> bool {
    let found = house.lifecycle.get_key(&system(), key, house.now()).await;
    matches!(found, Err(Refusal::NotFound(Missing::Key)))
}

#[tokio::test]
async fn every_change_of_people_leaves_its_events_and_one_generation() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let mut log = vec![told(&house, add(home, "ada", Role::Staff)).await];
    let made = CreateTeam { workspace: home, name: "Support".to_owned(), external_id: None };
    let team = house.run(made.clone()).await.expect("a team").id;
    let team = TeamRef { workspace: home, team };
    let member = somebody(&house, home, Role::Admin).await;
    let other = somebody(&house, home, Role::Admin).await;
    let (given, _) = key_of(&house, member, "given", Access::ReadWrite).await;
    key_of(&house, member, "lost", Access::ReadWrite).await;
    key_of(&house, member, "kept", Access::ReadOnly).await;
    let rename = MemberPatch { name: Some("Ada".to_owned()), ..MemberPatch::default() };
    log.push(told(&house, PatchMember { target: member, patch: rename, reassign: Vec::new() }).await);
    log.push(told(&house, becomes(member, Role::Owner, Vec::new())).await);
    house.run(becomes(other, Role::Owner, Vec::new())).await.expect("another owner");
    let handed = vec![(given.key, other.member)];
    log.extend(all_told(&house, becomes(member, Role::ReadOnly, handed)).await);
    log.extend(all_told(&house, RemoveMember { target: member, reassign: Vec::new() }).await);
    log.push(told(&house, CreateTeam { name: "Sales".to_owned(), ..made }).await);
    log.push(told(&house, PatchTeam { target: team, name: None, external_id: Edit::Set("x".to_owned()) }).await);
    let fields = KeyFields { team_id: Some(team.team), ..fields("of the team") };
    house.run(CreateKey { workspace: home, fields, source: KeySource::Generate }).await.expect("a key");
    log.extend(all_told(&house, DeleteTeam { target: team }).await);
    let expected = [
        "Create Members: create",
        "Update Members: edit",
        "Update Members: change_role",
        "Update Members: change_role",
        "Update API Keys: reassign",
        "Delete API Keys: delete",
        "Delete Members: remove",
        "Delete API Keys: delete",
        "Create Teams: create",
        "Update Teams: edit",
        "Delete Teams: delete",
        "Update API Keys: edit",
    ];
    assert_eq!(log, expected);
    // Nothing of this touched an edge but the keys that moved or went.
    assert!(house.touched().await.is_empty());
}

#[tokio::test]
async fn the_log_says_why_a_key_ended() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let member = somebody(&house, home, Role::Staff).await;
    key_of(&house, member, "one", Access::ReadWrite).await;
    let sql = format!(
        "INSERT INTO token (id, member_id, name, hash, scopes, created_at, expires_at)
         VALUES (1, {0}, 'laptop', randomblob(32), '[]', 0, NULL), (2, {0}, 'old', randomblob(32), '[]', 0, 1)",
        member.member.as_u64().cast_signed()
    );
    house.rows(&sql).await;
    let before = house.events().await;
    house.run(RemoveMember { target: member, reassign: Vec::new() }).await.expect("removed");
    let sql = format!("SELECT target_name, details, workspace_id FROM audit_event WHERE seq > {before} ORDER BY seq");
    let told: Vec<(String, Value)> = house
        .rows(&sql)
        .await
        .iter()
        .map(|row| {
            assert_eq!(row.get::<i64, _>(2), home.as_u64().cast_signed());
            (row.get(0), serde_json::from_str(row.get(1)).expect("JSON"))
        })
        .collect();
    let facts = json!({
        "kind": "person", "email": null, "name": "staff", "role": "staff", "team_ids": [], "external_id": null,
    });
    let expected = [
        (
            "staff",
            json!({
                "operation": "remove", "before": facts, "after": null, "deleted_keys": 1, "revoked_tokens": 1,
            }),
        ),
        (
            "one",
            json!({
                "operation": "delete", "because": "remove",
                "before": { "state": "active" }, "after": { "state": "deleted" },
            }),
        ),
        (
            "laptop",
            json!({
                "operation": "revoke", "because": "remove", "after": null,
                "before": {
                    "name": "laptop", "member_id": member.member.to_string(), "scopes": [], "expires_at": null,
                },
            }),
        ),
    ];
    assert_eq!(told, expected.map(|(name, details)| (name.to_owned(), details)));
    assert_eq!(house.number("SELECT COUNT(*) FROM token WHERE revoked_at IS NULL AND expires_at IS NULL").await, 0);
}

#[tokio::test]
async fn edges_hear_of_keys_that_move_or_go_and_of_nothing_else() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let (member, other) = (somebody(&house, home, Role::Staff).await, somebody(&house, home, Role::Staff).await);
    let (moved, moved_secret) = key_of(&house, member, "moved", Access::ReadWrite).await;
    let (gone, gone_secret) = key_of(&house, member, "gone", Access::ReadWrite).await;
    let (kept, kept_secret) = key_of(&house, member, "kept", Access::ReadOnly).await;
    let rotated = house.run(RotateKey { target: gone, grace_seconds: 600 }).await.expect("rotated");

    let changed = house.run(becomes(member, Role::Admin, Vec::new())).await.expect("promoted");
    assert_eq!(changed.plan.keys.len(), 3);
    assert!(house.touched().await.is_empty());

    let narrowed = |secrets: &[&ApiKey]| {
        let mut touched: Vec<_> = secrets.iter().map(|secret| (Some(fingerprint(secret)), true)).collect();
        touched.sort_by_key(|(fingerprint, _)| fingerprint.map(|fingerprint| *fingerprint.as_bytes()));
        touched
    };
    let ChangedMember { member: now, plan } =
        house.run(becomes(member, Role::ReadOnly, vec![(moved.key, other.member)])).await.expect("demoted");
    assert_eq!((now.role, now.version), (Role::ReadOnly, 3));
    let outcomes: Vec<_> = plan.keys.iter().map(|key| (key.id, key.outcome)).collect();
    assert_eq!(outcomes[0], (gone.key, Outcome::Deleted));
    assert!(outcomes.contains(&(moved.key, Outcome::Kept)) && outcomes.contains(&(kept.key, Outcome::Kept)));
    assert_eq!(house.touched().await, narrowed(&[&moved_secret, &gone_secret, &rotated.secret]));
    assert!(house.secrets(gone).await.iter().all(|(_, slot, _, live)| slot.is_none() && !live));
    assert_eq!(house.view(moved).await.member.id, other.member);

    house.run(RemoveMember { target: member, reassign: Vec::new() }).await.expect("removed");
    assert_eq!(house.touched().await, narrowed(&[&kept_secret]));
    assert!(is_gone(&house, kept).await);
    // A secret that was accepted once is never accepted again.
    assert_eq!(house.number("SELECT COUNT(*) FROM secret").await, 4);
}

#[tokio::test]
async fn a_role_change_that_is_given_up_changes_everything_or_nothing() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    for polls in 0..40 {
        let (member, other) = (somebody(&house, home, Role::Staff).await, somebody(&house, home, Role::Staff).await);
        let (gone, _) = key_of(&house, member, &format!("gone {polls}"), Access::ReadWrite).await;
        let (moved, _) = key_of(&house, member, &format!("moved {polls}"), Access::ReadWrite).await;
        let (events, generation) = (house.events().await, house.generation().await);
        let context = house.context();
        let verb = becomes(member, Role::Lite, vec![(moved.key, other.member)]);
        let mut call = Box::pin(house.lifecycle.execute(&context, verb));
        let mut left = polls;
        std::future::poll_fn(|task| {
            left -= 1;
            match call.as_mut().poll(task) {
                std::task::Poll::Pending if left > 0 => std::task::Poll::Pending,
                _ => std::task::Poll::Ready(()),
            }
        })
        .await;
        drop(call);
        // Waits for whatever of it is still under way, and commits it.
        house.store.ready().await.expect("nothing is held");
        let lite = house.lifecycle.get_member(&system(), member).await.expect("a member").role == Role::Lite;
        assert_eq!(is_gone(&house, gone).await, lite, "after {polls} polls");
        assert_eq!(house.view(moved).await.member.id == other.member, lite, "after {polls} polls");
        let (told, committed) = if lite { (3, 1) } else { (0, 0) };
        assert_eq!((house.events().await, house.generation().await), (events + told, generation + committed));
    }
}

#[tokio::test]
async fn more_keys_than_a_plan_lists_go_all_the_same() {
    const KEYS: i64 = 2_500;
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let member = somebody(&house, home, Role::Staff).await;
    let (first, _) = key_of(&house, member, "first", Access::ReadWrite).await;
    fill(&house, first.key, KEYS - 1).await;
    let removal = || RemoveMember { target: member, reassign: Vec::new() };
    let plan = house.lifecycle.preview(&house.context(), removal()).await.expect("previewed");
    assert_eq!((plan.keys.len(), plan.more), (1_000, true));
    // A page says enough where nothing ends.
    let rename = PatchMember { target: member, patch: MemberPatch::default(), reassign: Vec::new() };
    let kept = house.lifecycle.preview(&house.context(), rename).await.expect("previewed").plan;
    assert_eq!((kept.keys.len(), kept.more), (1_000, true));
    // The digest is of all of them: one more, wherever it stands in the order, makes another.
    let highest = house.number("SELECT MAX(id) FROM key").await;
    let sql = format!("UPDATE key SET version = version + 1 WHERE id = {highest}");
    house.rows(&sql).await;
    let other = house.lifecycle.preview(&house.context(), removal()).await.expect("previewed");
    assert_ne!(other.digest, plan.digest);

    let before = house.events().await;
    house.run(removal()).await.expect("removed");
    assert_eq!(house.events().await, before + 1 + KEYS);
    assert_eq!(house.touched().await.len(), usize::try_from(KEYS).expect("small"));
    assert_eq!(house.number("SELECT COUNT(*) FROM key WHERE status <> 'deleted'").await, 0);
    assert_eq!(house.number("SELECT COUNT(*) FROM secret WHERE live = 1").await, 0);
}

/// Adds copies of a key, with secrets of their own, behind the store's back.
async fn fill(house: &House, key: KeyId, copies: i64) {
    let columns = "workspace_id, member_id, team_id, hint, access, apis, environment, status, expires_at,
        rotate_every_days, previous_valid_until, rotation_started_at, paused, restrictions, external_id, metadata,
        created_at, rotated_at, last_used_at, archived_at, deleted_at, version";
    let id = key.as_u64().cast_signed();
    let numbers =
        format!("WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {copies})");
    let keys = format!(
        "{numbers} INSERT INTO key (id, name, {columns}) SELECT n, 'copy ' || n, {columns} FROM number, key WHERE id = {id}"
    );
    let secrets = format!(
        "{numbers} INSERT INTO secret (key_id, slot, fingerprint, sealed_digest, live, created_at)
         SELECT n, 0, randomblob(16), x'00', 1, 0 FROM number"
    );
    for sql in [keys, secrets] {
        house.rows(&sql).await;
    }
}

#[tokio::test]
async fn keys_that_a_lower_policy_left_stay_until_the_role_changes() {
    let house = House::new().await;
    let home = house.workspace("Acme").await.id;
    let member = somebody(&house, home, Role::Staff).await;
    let (writes, _) = key_of(&house, member, "writes", Access::ReadWrite).await;
    let fields = WorkspaceFields { staff_max_access: Some(Access::ReadOnly), ..WorkspaceFields::default() };
    house.run(PatchWorkspace { workspace: home, fields }).await.expect("a lower policy");
    house.run(becomes(member, Role::Staff, Vec::new())).await.expect("nothing new");
    assert!(!is_gone(&house, writes).await);
    house.run(becomes(member, Role::Admin, Vec::new())).await.expect("promoted");
    house.run(becomes(member, Role::Staff, Vec::new())).await.expect("demoted");
    assert!(is_gone(&house, writes).await);
}

#[tokio::test]
async fn a_member_of_another_workspace_is_not_found() {
    let house = House::new().await;
    let (home, abroad) = (house.workspace("Acme").await.id, house.workspace("Other").await.id);
    let there = somebody(&house, abroad, Role::Staff).await;
    let crossed = MemberRef { workspace: home, ..there };
    for target in [crossed, MemberRef { workspace: home, member: MemberId::from_u64(7) }] {
        let refused = house.run(RemoveMember { target, reassign: Vec::new() }).await.err();
        assert!(matches!(refused, Some(Refusal::NotFound(Missing::Member))));
        let refused = house.lifecycle.get_member(&system(), target).await.err();
        assert!(matches!(refused, Some(Refusal::NotFound(Missing::Member))));
    }
    let nowhere = MemberRef { workspace: WorkspaceId::from_u64(7), ..there };
    let refused = house.run(becomes(nowhere, Role::Lite, Vec::new())).await.err();
    assert!(matches!(refused, Some(Refusal::NotFound(Missing::Workspace))));
    house.run(RemoveMember { target: there, reassign: Vec::new() }).await.expect("removed");
}
