//! `/v1/workspaces/{ws}/keys/{key}/rotate` and `…/rotation/*`.

use axum::http::Method;
use serde_json::{Value, json};

use crate::mutations::Mutation;
use crate::service::{Reply, Service};

async fn rotating(grace: u32) -> (Service, String) {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    rotate(&service, &key, grace).await.is(200);
    (service, key)
}

async fn rotate(service: &Service, key: &str, grace: u32) -> Reply {
    let body = json!({ "grace_seconds": grace });
    service.post(&format!("{key}/rotate"), body).await
}

async fn step(service: &Service, key: &str, verb: &str) -> Reply {
    service.post(&format!("{key}/rotation/{verb}"), json!({})).await
}

#[tokio::test]
async fn a_grace_period_keeps_the_old_secret_until_its_end() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let before = service.get(&key).await;
    let rotated = rotate(&service, &key, 3600).await.is(200);
    assert_eq!(rotated.header("cache-control"), "no-store");
    assert!(rotated.text("secret").starts_with("kw_"));
    assert_eq!(rotated.text("previous_valid_until"), "2026-01-01T01:00:00Z");
    let read = &rotated.body["key"];
    assert_eq!(read["id"], before.body["id"]);
    assert_eq!(
        read["rotation"],
        json!({
            "previous_valid_until": "2026-01-01T01:00:00Z",
            "previous_last_used_at": null,
            "safe_to_finish": null,
            "started_at": "2026-01-01T00:00:00Z",
            "paused": false,
        })
    );
    service.pass_seconds(3600);
    let read = service.get(&key).await.is(200);
    assert_eq!(read.body["rotation"], Value::Null);
}

#[tokio::test]
async fn without_grace_every_older_secret_ends_at_once() {
    let (service, key) = rotating(3600).await;
    let regenerated = rotate(&service, &key, 0).await.is(200);
    assert_eq!(regenerated.body["previous_valid_until"], Value::Null);
    assert_eq!(regenerated.body["key"]["rotation"], Value::Null);
}

#[tokio::test]
async fn a_second_grace_period_waits_for_the_first() {
    let (service, key) = rotating(3600).await;
    let refused = rotate(&service, &key, 60).await;
    refused.is_problem(409, "rotation_active", None);
    service.pass_seconds(3600);
    rotate(&service, &key, 60).await.is(200);
}

#[tokio::test]
async fn finish_cancel_pause_and_resume_need_a_rotation() {
    let (service, key) = rotating(3600).await;
    let paused = step(&service, &key, "pause").await.is(200);
    assert_eq!(paused.body["key"]["rotation"]["paused"], true);
    let resumed = step(&service, &key, "resume").await.is(200);
    assert_eq!(resumed.body["key"]["rotation"]["paused"], false);
    let finished = step(&service, &key, "finish").await.is(200);
    assert_eq!(finished.body["key"]["rotation"], Value::Null);
    for verb in ["finish", "cancel", "pause", "resume"] {
        let refused = step(&service, &key, verb).await;
        refused.is_problem(409, "no_rotation", None);
    }
    let body = json!({ "grace_seconds": 60 });
    let refused = service.post(&format!("{key}/rotation/extend"), body).await;
    refused.is_problem(409, "no_rotation", None);
}

#[tokio::test]
async fn cancel_goes_back_to_the_old_secret_but_not_at_the_last_minute() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let body = json!({ "name": "one", "access": "read-write", "apis": ["*"] });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    let (key, old) = (made.header("location").to_owned(), made.text("secret"));
    let rotated = rotate(&service, &key, 3600).await.is(200);
    let new = rotated.text("secret");
    let slot = async |secret: &str| {
        let found = service.post("/v1/keys/lookup", json!({ "secret": secret })).await.is(200);
        assert_eq!((&found.body["key"]["id"], found.text("status")), (&made.body["key"]["id"], "active"));
        found.text("slot").to_owned()
    };
    assert_eq!((slot(old).await, slot(new).await), ("retiring".to_owned(), "current".to_owned()));
    let cancelled = step(&service, &key, "cancel").await.is(200);
    assert_eq!(cancelled.body["key"]["rotation"], Value::Null);
    assert_eq!(cancelled.body["key"]["hint"], made.body["key"]["hint"], "the old secret's");
    assert_eq!((slot(old).await, slot(new).await), ("current".to_owned(), "ended".to_owned()));
    // It is over: nothing of it ends with what was its deadline.
    service.pass_seconds(3600);
    assert_eq!((slot(old).await, slot(new).await), ("current".to_owned(), "ended".to_owned()));

    rotate(&service, &key, 3600).await.is(200);
    service.pass_seconds(3600 - 120);
    let refused = step(&service, &key, "cancel").await;
    refused.is_problem(409, "cancel_too_late", None);
}

#[tokio::test]
async fn extend_moves_the_deadline_by_either_member() {
    let (service, key) = rotating(3600).await;
    let path = format!("{key}/rotation/extend");
    let moved = service.post(&path, json!({ "grace_seconds": 7200 })).await;
    let moved = moved.is(200);
    let deadline = &moved.body["key"]["rotation"]["previous_valid_until"];
    assert_eq!(deadline, "2026-01-01T02:00:00Z");
    let body = json!({ "previous_valid_until": "2026-01-01T00:30:00Z" });
    let moved = service.post(&path, body).await.is(200);
    let deadline = &moved.body["key"]["rotation"]["previous_valid_until"];
    assert_eq!(deadline, "2026-01-01T00:30:00Z");

    for (body, field) in [
        (json!({}), "previous_valid_until"),
        (json!({ "previous_valid_until": "2026-01-02T00:00:00Z", "grace_seconds": 1 }), "grace_seconds"),
        (json!({ "grace_seconds": 0 }), "grace_seconds"),
        (json!({ "previous_valid_until": "2025-01-01T00:00:00Z" }), "previous_valid_until"),
    ] {
        let refused = service.post(&path, body).await;
        refused.is_problem(422, "invalid", Some(field));
    }
}

#[tokio::test]
async fn rotating_an_expired_or_disabled_key_leaves_it_so() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let disabled = service.key(&workspace, "disabled").await;
    service.post(&format!("{disabled}/disable"), json!({})).await.is(200);
    let expired = service.key(&workspace, "expired").await;
    service.patch(&expired, json!({ "expires_at": "2026-01-01T00:01:00Z" })).await.is(200);
    service.pass_seconds(60);
    for (key, status) in [(&disabled, "disabled"), (&expired, "expired")] {
        let before = service.get(key).await.is(200);
        assert_eq!(before.text("status"), status);
        for grace in [3600, 0] {
            let rotated = rotate(&service, key, grace).await.is(200);
            assert_eq!(rotated.body["key"]["status"], status, "grace {grace}");
            assert_eq!(rotated.body["key"]["expires_at"], before.body["expires_at"]);
            assert_ne!(rotated.body["key"]["hint"], before.body["hint"]);
            assert_eq!(service.get(key).await.text("status"), status);
            let body = json!({ "secret": rotated.text("secret") });
            let found = service.post("/v1/keys/lookup", body).await.is(200);
            assert_eq!((found.text("slot"), found.text("status")), ("current", status));
        }
    }
}

/// Every mutation of a rotation.
pub(crate) async fn mutations(service: &Service) -> Vec<Mutation> {
    let workspace = service.workspace("Rotations that change").await;
    let key = service.key(&workspace, "one").await;
    let grace = json!({ "grace_seconds": 3600 });
    let rotation = |verb: &str, body: &Value| Mutation::new(Method::POST, format!("{key}/{verb}"), body.clone());
    vec![
        rotation("rotate", &grace),
        rotation("rotation/extend", &grace),
        rotation("rotation/pause", &json!({})),
        rotation("rotation/resume", &json!({})),
        rotation("rotation/cancel", &json!({})),
        rotation("rotate", &json!({ "grace_seconds": 60 })),
        rotation("rotation/finish", &json!({})),
    ]
}
