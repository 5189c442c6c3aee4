//! `denied_since`: who misses a key that is refused, and nobody who does not.

use axum::http::Method;
use keyward_shared::report::Usage;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::reports::{Reporter, denied, usage};
use crate::service::Service;
use crate::usage::key;

async fn since(service: &Service, key: &str) -> Value {
    service.get(key).await.is(200).body["denied_since"].clone()
}

async fn step(service: &Service, key: &str, verb: &str) {
    service.post(&format!("{key}/{verb}"), json!({})).await.is(200);
}

#[tokio::test]
async fn an_edge_that_lags_behind_others_hides_no_refusal() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, secret) = key(&service, &workspace, "one").await;
    let (mut near, mut far) = (Reporter::new(&service, 1), Reporter::new(&service, 2));
    step(&service, &key, "disable").await;
    service.pass_seconds(10);
    near.tell(&service, vec![denied(&secret, 1, 1)]).await;
    assert_eq!(since(&service, &key).await, "2026-01-01T00:00:09.999Z");
    // The other has not applied it, and lets the next call pass.
    service.pass_seconds(40);
    far.tell(&service, vec![usage(&secret, 1, 0)]).await;
    assert_eq!(since(&service, &key).await, "2026-01-01T00:00:09.999Z");
}

#[tokio::test]
async fn an_import_that_enables_a_key_ends_its_refusals() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let secret = "a-secret-that-another-system-made-0001";
    let import = async |more: Value| {
        let mut line = json!({
            "workspace": workspace.rsplit('/').next(), "name": "one", "access": "read-only", "apis": ["*"],
            "external_id": "one", "sha256": hex::encode(Sha256::digest(secret)),
        });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let call = service.request(Method::POST, "/v1/keys/import").raw("application/x-ndjson", format!("{line}\n"));
        call.send().await
    };
    let made = import(json!({ "status": "disabled" })).await;
    let result: Value = serde_json::from_slice(&made.bytes).unwrap();
    assert_eq!(result["outcome"], "created", "{result}");
    let key = format!("{workspace}/keys/{}", result["key_id"].as_str().unwrap());
    let mut edge = Reporter::new(&service, 1);
    service.pass_seconds(10);
    edge.tell(&service, vec![denied(secret, 1, 1_000)]).await;
    assert_eq!(since(&service, &key).await, "2026-01-01T00:00:09Z");
    for status in ["active", "disabled"] {
        service.pass_seconds(60);
        import(json!({ "status": status })).await;
        assert_eq!(service.get(&key).await.body["status"], status);
        assert_eq!(since(&service, &key).await, Value::Null);
    }
    // What comes late is of the time before.
    edge.tell(&service, vec![Usage { last_ago: 90_000, ..denied(secret, 1, 90_000) }]).await;
    assert_eq!(since(&service, &key).await, Value::Null);
}

#[tokio::test]
async fn a_refusal_while_the_workspace_was_suspended_is_none_of_a_later_status() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, secret) = key(&service, &workspace, "one").await;
    service.patch(&key, json!({ "expires_at": "2026-01-01T00:16:40Z" })).await.is(200);
    let mut edge = Reporter::new(&service, 1);
    service.patch(&workspace, json!({ "status": "suspended" })).await.is(200);
    service.pass_seconds(10);
    service.patch(&workspace, json!({ "status": "active" })).await.is(200);
    service.pass_seconds(2);
    // Nobody had heard of this secret before.
    edge.tell(&service, vec![Usage { last_ago: 7_000, ..denied(&secret, 1, 7_000) }]).await;
    // An edge that had not yet heard of the change.
    edge.tell(&service, vec![denied(&secret, 1, 1_000)]).await;
    service.pass_seconds(1_000);
    assert_eq!(service.get(&key).await.body["status"], "expired");
    assert_eq!(since(&service, &key).await, Value::Null, "it was suspended then, and has expired since");
    edge.tell(&service, vec![denied(&secret, 1, 500)]).await;
    assert_eq!(since(&service, &key).await, "2026-01-01T00:16:40Z", "not before it expired");
}

#[tokio::test]
async fn an_old_secret_whose_grace_is_over_is_nobodys_refusal() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, old) = key(&service, &workspace, "one").await;
    service.patch(&key, json!({ "expires_at": "2026-01-01T01:00:00Z" })).await.is(200);
    let rotated = service.post(&format!("{key}/rotate"), json!({ "grace_seconds": 600 })).await.is(200);
    let new = rotated.text("secret");
    let mut edge = Reporter::new(&service, 1);
    service.pass_seconds(700);
    edge.tell(&service, vec![denied(&old, 1, 1_000)]).await;
    assert_eq!(since(&service, &key).await, Value::Null);
    service.pass_seconds(3_600);
    assert_eq!(since(&service, &key).await, Value::Null, "the key has expired, and nobody called since");
    edge.tell(&service, vec![denied(new, 1, 1_000)]).await;
    assert_eq!(since(&service, &key).await, "2026-01-01T01:11:39Z");
}

#[tokio::test]
async fn a_change_of_a_key_that_is_switched_off_forgets_nobody_who_misses_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, secret) = key(&service, &workspace, "one").await;
    let mut edge = Reporter::new(&service, 1);
    step(&service, &key, "disable").await;
    service.pass_seconds(10);
    edge.tell(&service, vec![denied(&secret, 1, 1_000)]).await;
    service.patch(&key, json!({ "expires_at": "2027-01-01T00:00:00Z" })).await.is(200);
    assert_eq!(since(&service, &key).await, "2026-01-01T00:00:09Z");
}

#[tokio::test]
async fn a_refusal_before_a_key_was_enabled_is_none_after_it_is_disabled_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, secret) = key(&service, &workspace, "one").await;
    let mut edge = Reporter::new(&service, 1);
    step(&service, &key, "disable").await;
    service.pass_seconds(5);
    step(&service, &key, "enable").await;
    service.pass_seconds(4);
    step(&service, &key, "disable").await;
    service.pass_seconds(1);
    // Refused at 3 s, allowed at 6 s: all in one report.
    edge.tell(&service, vec![Usage { calls: 1, last_ago: 4_000, ..denied(&secret, 1, 7_000) }]).await;
    assert_eq!(since(&service, &key).await, Value::Null);
    // Of two refusals nobody knows when the other was: it may have been now.
    edge.tell(&service, vec![Usage { calls: 1, last_ago: 4_000, ..denied(&secret, 2, 7_000) }]).await;
    assert_eq!(since(&service, &key).await, "2026-01-01T00:00:09Z");
}
