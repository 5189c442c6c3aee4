//! What every mutation leaves in the audit log.

use keyward_control_plane::domain::settings::SettingsEdit;
use keyward_control_plane::domain::workspace::WorkspaceStatus;
use keyward_control_plane::lifecycle::{
    ArchiveKey, CancelRotation, CreateToken, DeleteApi, DeleteKey, DeleteWorkspace, DisableKey, EnableKey,
    ExtendRotation, ExtendTo, FinishRotation, KeyPatch, PatchKey, PatchSettings, PatchWorkspace, PauseRotation, PutApi,
    ResumeRotation, RevokeToken, RotateKey, Verb, WorkspaceFields,
};
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::house::{House, fingerprint};

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
