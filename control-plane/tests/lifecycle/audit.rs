//! What every mutation leaves in the audit log.

use std::net::{IpAddr, Ipv4Addr};

use keyward_control_plane::domain::actor::Actor;
use keyward_control_plane::domain::member::Role;
use keyward_control_plane::domain::settings::SettingsEdit;
use keyward_control_plane::domain::workspace::WorkspaceStatus;
use keyward_control_plane::lifecycle::{
    ArchiveKey, CancelRotation, CreateToken, DeleteApi, DeleteKey, DeleteWorkspace, DisableKey, EnableKey,
    ExtendRotation, ExtendTo, FinishRotation, KeyPatch, PatchKey, PatchSettings, PatchWorkspace, PauseRotation, PutApi,
    RefusedSignIns, ResumeRotation, RevokeToken, RotateKey, Verb, WorkspaceFields,
};
use keyward_control_plane::store::AuditStore as _;
use keyward_control_plane::store::publication::Publication as _;
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::house::{House, acting, fingerprint, system};

/// Runs a verb and gives the one event that it left, as action, entity and operation.
pub(crate) async fn told<V: Verb>(house: &House, verb: V) -> String {
    let [line] = <[String; 1]>::try_from(all_told(house, verb).await).expect("one event");
    line
}

/// Runs a verb and gives every event that it left, in order: all of one generation.
pub(crate) async fn all_told<V: Verb>(house: &House, verb: V) -> Vec<String> {
    let (events, generation) = (house.events().await, house.generation().await);
    house.run(verb).await.unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(house.generation().await, generation + 1);
    let sql = format!("SELECT action, entity, details, generation FROM audit_event WHERE seq > {events} ORDER BY seq");
    let line = |row: &sqlx::sqlite::SqliteRow| {
        assert_eq!(row.get::<i64, _>(3), i64::try_from(generation + 1).expect("small"));
        let details: Value = serde_json::from_str(row.get(2)).expect("JSON");
        let operation = details["operation"].as_str().unwrap_or_default();
        format!("{} {}: {operation}", row.get::<String, _>(0), row.get::<String, _>(1))
    };
    house.rows(&sql).await.iter().map(line).collect()
}

#[tokio::test]
async fn every_mutation_leaves_one_event_and_one_generation() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (target, _) = house.key(workspace.id, "build").await;
    let rename = KeyPatch { name: Some("deploy".to_owned()), ..KeyPatch::default() };
    let status = |status| PatchWorkspace {
        workspace: workspace.id,
        fields: WorkspaceFields { status: Some(status), ..WorkspaceFields::default() },
    };
    let token = house.run(CreateToken { name: "t".to_owned(), expires_at: None }).await.expect("a token").token.id;
    let api = || PutApi { name: "new".to_owned(), title: None, routes: Vec::new() };
    let mut log = Vec::new();
    log.push(told(&house, PatchKey { target, patch: rename }).await);
    log.push(told(&house, RotateKey { target, grace_seconds: 600 }).await);
    log.push(told(&house, PauseRotation { target }).await);
    log.push(told(&house, ResumeRotation { target }).await);
    log.push(told(&house, ExtendRotation { target, to: ExtendTo::GraceSeconds(900) }).await);
    log.push(told(&house, CancelRotation { target }).await);
    log.push(told(&house, RotateKey { target, grace_seconds: 0 }).await);
    log.push(told(&house, RotateKey { target, grace_seconds: 60 }).await);
    log.push(told(&house, FinishRotation { target }).await);
    log.push(told(&house, DisableKey { target }).await);
    log.push(told(&house, EnableKey { target }).await);
    log.push(told(&house, ArchiveKey { target }).await);
    log.push(told(&house, DeleteKey { target }).await);
    log.push(told(&house, api()).await);
    log.push(told(&house, api()).await);
    log.push(told(&house, DeleteApi { name: "new".to_owned() }).await);
    log.push(told(&house, PatchSettings { edit: SettingsEdit::default() }).await);
    log.push(told(&house, RevokeToken { token }).await);
    log.push(told(&house, status(WorkspaceStatus::Suspended)).await);
    log.push(told(&house, status(WorkspaceStatus::Active)).await);
    log.push(told(&house, status(WorkspaceStatus::Suspended)).await);
    log.push(told(&house, DeleteWorkspace { workspace: workspace.id }).await);
    let expected = [
        "Update API Keys: edit",
        "Update API Keys: rotate",
        "Update API Keys: pause_rotation",
        "Update API Keys: resume_rotation",
        "Update API Keys: extend_rotation",
        "Update API Keys: cancel_rotation",
        "Update API Keys: regenerate",
        "Update API Keys: rotate",
        "Update API Keys: finish_rotation",
        "Disable API Keys: disable",
        "Enable API Keys: enable",
        "Delete API Keys: archive",
        "Delete API Keys: delete",
        "Create APIs: create",
        "Update APIs: edit",
        "Delete APIs: delete",
        "Update Settings: edit",
        "Delete Tokens: revoke",
        "Disable Workspaces: suspend",
        "Enable Workspaces: activate",
        "Disable Workspaces: suspend",
        "Delete Workspaces: delete",
    ];
    assert_eq!(log, expected);
}

#[tokio::test]
async fn an_event_says_who_what_and_why_with_before_and_after() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (target, secret) = house.key(workspace.id, "build").await;
    let context = house.context().with_reason(Some("new owner")).expect("a reason");
    let patch = KeyPatch { name: Some("deploy".to_owned()), ..KeyPatch::default() };
    house.lifecycle.execute(&context, PatchKey { target, patch }).await.expect("patched");
    let rows = house
        .rows("SELECT actor_kind, actor_name, target_id, target_name, workspace_id, reason, details FROM audit_event ORDER BY seq DESC")
        .await;
    let row = &rows[0];
    let text = |column: usize| row.get::<String, _>(column);
    assert_eq!([text(0), text(1)], ["system", "test"]);
    assert_eq!([text(2), text(3)], [target.key.to_string(), "deploy".to_owned()]);
    assert_eq!(row.get::<i64, _>(4), workspace.id.as_u64().cast_signed());
    assert_eq!(text(5), "new owner");
    let details: Value = serde_json::from_str(&text(6)).expect("JSON");
    assert_eq!(details, json!({ "operation": "edit", "before": { "name": "build" }, "after": { "name": "deploy" } }));
    let stood_for = hex::encode(fingerprint(&secret).as_bytes());
    for row in rows {
        let details: String = row.get(6);
        assert!(!details.contains(secret.expose()) && !details.contains(&stood_for));
    }
}

#[tokio::test]
async fn events_count_up_without_a_gap() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    for number in 0..5 {
        house.key(workspace.id, &format!("key {number}")).await;
    }
    let fields = WorkspaceFields { status: Some(WorkspaceStatus::Suspended), ..WorkspaceFields::default() };
    house.run(PatchWorkspace { workspace: workspace.id, fields }).await.expect("suspended");
    house.run(DeleteWorkspace { workspace: workspace.id }).await.expect("deleted");
    let rows = house.rows("SELECT seq FROM audit_event ORDER BY seq").await;
    for (row, expected) in rows.iter().zip(1_i64..) {
        assert_eq!(row.get::<i64, _>(0), expected);
    }
    let last = i64::try_from(rows.len()).expect("small");
    assert_eq!(house.number("SELECT audit_seq FROM counter").await, last);
}

/// The newest event, as it is read.
async fn newest(house: &House) -> Value {
    let seq = u64::try_from(house.events().await).expect("few");
    house.store.event(seq).await.expect("the database").expect("an event").document
}

#[tokio::test]
async fn who_signs_in_is_told_and_no_generation_is_taken() {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await.id;
    let member = house.member(workspace, Role::Admin).await;
    let (events, generation) = (house.events().await, house.generation().await);
    let actor = Actor { name: "Ada".to_owned(), ..acting(member) };
    house.lifecycle.signed_in(&actor, house.now()).await.expect("told");
    let event = newest(&house).await;
    assert_eq!([&event["action"], &event["entity"]], ["Login", "Members"]);
    assert_eq!(event["details"]["operation"], "sign_in");
    assert_eq!(event["target"], json!({ "id": member.to_string(), "name": "Ada" }));
    assert_eq!((&event["workspace_id"], &event["generation"]), (&json!(workspace), &json!(generation)));
    house.lifecycle.signed_in(&system(), house.now()).await.expect("told");
    let event = newest(&house).await;
    assert_eq!((&event["entity"], &event["workspace_id"]), (&json!("Tokens"), &Value::Null));
    assert_eq!((house.events().await, house.generation().await), (events + 2, generation));
}

#[tokio::test]
async fn who_tries_to_sign_in_in_vain_is_told_with_how_often_and_since_when() {
    let house = House::new().await;
    let (events, generation) = (house.events().await, house.generation().await);
    let ip = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    let refused = |failures| RefusedSignIns { ip, failures, since: house.now(), request_id: "req_1".to_owned() };
    house.lifecycle.refused_sign_ins(vec![refused(1), refused(500)], house.now()).await.expect("told");
    house.lifecycle.refused_sign_ins(Vec::new(), house.now()).await.expect("nothing to tell");
    let event = newest(&house).await;
    assert_eq!([&event["action"], &event["entity"]], ["Login", "Tokens"]);
    assert_eq!(
        event["actor"],
        json!({ "kind": "system", "id": null, "name": "unknown", "ip": "192.0.2.1", "on_behalf_of": null })
    );
    let details =
        json!({ "operation": "sign_in_failed", "before": null, "after": null, "failures": 500, "since": house.now() });
    assert_eq!((&event["details"], &event["request_id"]), (&details, &json!("req_1")));
    assert_eq!((house.events().await, house.generation().await), (events + 2, generation));
}

#[tokio::test]
async fn each_change_of_the_publishing_epoch_is_told_by_the_transaction_that_makes_it() {
    let house = House::new().await;
    let (events, generation) = (house.events().await, house.generation().await);
    for (holder, epoch) in [("one", 1), ("one", 2), ("two", 3)] {
        let acquired = house.store.acquire_lease(holder, house.now(), house.now()).await.expect("the database");
        assert_eq!(acquired, Some(epoch));
        let event = newest(&house).await;
        assert_eq!([&event["action"], &event["entity"]], ["Update", "Snapshots"]);
        let details = json!({
            "operation": "acquire_epoch", "before": { "epoch": epoch - 1 }, "after": { "epoch": epoch }, "holder": holder,
        });
        assert_eq!((&event["details"], &event["at"]), (&details, &json!(house.now())));
    }
    assert_eq!((house.events().await, house.generation().await), (events + 3, generation));
    // An epoch that cannot be told is not taken.
    house.rows("CREATE TRIGGER full BEFORE INSERT ON audit_event BEGIN SELECT raise(ABORT, 'full'); END").await;
    house.store.acquire_lease("three", house.now(), house.now()).await.expect_err("not told");
    assert_eq!(house.number("SELECT epoch FROM counter").await, 3);
}
