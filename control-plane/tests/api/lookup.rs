//! `POST /v1/keys/lookup`.

use std::time::{Duration, Instant};

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::Digest;
use serde_json::{Value, json};

use crate::reports::{report, send};
use crate::service::{Reply, Service};

async fn key(service: &Service, workspace: &str, name: &str) -> (String, String) {
    let body = json!({
        "name": name, "access": "read-only", "apis": ["*"], "expires_at": "2026-01-01T10:00:00Z",
    });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    (made.header("location").to_owned(), made.text("secret").to_owned())
}

async fn lookup(service: &Service, secret: &str) -> Reply {
    service.post("/v1/keys/lookup", json!({ "secret": secret })).await
}

/// Slot and status of the secret's key, which must be this one.
async fn told(service: &Service, secret: &str, key: &str) -> (String, String) {
    let found = lookup(service, secret).await.is(200);
    assert!(key.ends_with(found.body["key"]["id"].as_str().unwrap()), "{}", found.body);
    (found.text("slot").to_owned(), found.text("status").to_owned())
}

fn pair(slot: &str, status: &str) -> (String, String) {
    (slot.to_owned(), status.to_owned())
}

#[tokio::test]
async fn a_secret_leads_to_its_key_whatever_its_state() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (path, first) = key(&service, &workspace, "one").await;
    let found = lookup(&service, &first).await.is(200);
    assert_eq!(found.body["key"], service.get(&path).await.body);
    assert_eq!(found.header("cache-control"), "no-store");
    assert_eq!(told(&service, &first, &path).await, pair("current", "active"));

    let rotate = async |grace: u32| service.post(&format!("{path}/rotate"), json!({ "grace_seconds": grace })).await;
    let second = rotate(3600).await.is(200).text("secret").to_owned();
    assert_eq!(told(&service, &first, &path).await, pair("retiring", "active"));
    assert_eq!(told(&service, &second, &path).await, pair("current", "active"));
    service.pass_seconds(3600);
    assert_eq!(told(&service, &first, &path).await, pair("ended", "active"), "nobody has looked at the key since");
    let third = rotate(0).await.is(200).text("secret").to_owned();
    assert_eq!(told(&service, &first, &path).await, pair("ended", "active"));
    assert_eq!(told(&service, &second, &path).await, pair("ended", "active"));

    service.post(&format!("{path}/disable"), json!({})).await.is(200);
    assert_eq!(told(&service, &third, &path).await, pair("current", "disabled"));
    service.post(&format!("{path}/enable"), json!({})).await.is(200);
    service.pass_seconds(10 * 3600);
    assert_eq!(told(&service, &third, &path).await, pair("current", "expired"));
    service.post(&format!("{path}/archive"), json!({})).await.is(200);
    assert_eq!(told(&service, &third, &path).await, pair("ended", "archived"));
    service.delete(&path).await.is(200);
    let found = lookup(&service, &third).await.is(200);
    let workspace_id = workspace.rsplit('/').next().unwrap();
    let id = path.rsplit('/').next().unwrap();
    assert_eq!(
        found.body,
        json!({
            "key": { "id": id, "workspace_id": workspace_id, "name": "one" },
            "slot": "ended",
            "status": "deleted",
        })
    );
}

#[tokio::test]
async fn a_digest_leads_to_the_same_key_in_every_form() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (path, secret) = key(&service, &workspace, "one").await;
    let digest = Digest::of(&ApiKey::parse(&secret).unwrap());
    for text in
        [hex::encode(digest.as_bytes()), STANDARD.encode(digest.as_bytes()), URL_SAFE_NO_PAD.encode(digest.as_bytes())]
    {
        let found = service.post("/v1/keys/lookup", json!({ "sha256": text })).await.is(200);
        assert_eq!(found.body["key"], service.get(&path).await.body);
    }
    service.post("/v1/keys/lookup", json!({ "sha256": "ab".repeat(32) })).await.is_problem(404, "not_found", None);
    let refused = service.post("/v1/keys/lookup", json!({ "sha256": secret })).await;
    refused.is_problem(422, "invalid", Some("sha256"));
    assert!(!refused.body.to_string().contains(&secret));
}

#[tokio::test]
async fn a_look_up_changes_nothing_and_repeats_no_secret() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, secret) = key(&service, &workspace, "one").await;
    let events = service.audit_events().await;
    let found = lookup(&service, &secret).await.is(200);
    let wrong = lookup(&service, &format!("{secret}\n")).await;
    for reply in [&found, &wrong] {
        assert!(!String::from_utf8_lossy(&reply.bytes).contains(&secret[3..]), "{}", reply.body);
    }
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn members_find_keys_of_their_own_workspace_only() {
    let service = Service::start().await;
    let (own, other) = (service.workspace("Acme").await, service.workspace("Other").await);
    let (path, secret) = key(&service, &own, "one").await;
    let (_, foreign) = key(&service, &other, "one").await;
    let ask = async |token: &str, secret: &str| {
        let body = json!({ "secret": secret });
        service.request(Method::POST, "/v1/keys/lookup").bearer(token).json(&body).send().await
    };
    for role in ["owner", "admin"] {
        let (_, token) = service.somebody(&own, role).await;
        assert_eq!(ask(&token, &secret).await.is(200).body["key"], service.get(&path).await.body);
        let refused = ask(&token, &foreign).await;
        let unknown = ask(&token, "nobody-ever-had-this-secret").await;
        refused.is_problem(404, "not_found", None);
        assert_eq!(refused.body["detail"], unknown.body["detail"]);
        let quoted = ask(&token, &format!("\"{foreign}\"")).await;
        assert_eq!(quoted.body["detail"], unknown.body["detail"], "nor is told that it is nearly one");
    }
    for role in ["staff", "read-only", "lite"] {
        let (_, token) = service.somebody(&own, role).await;
        ask(&token, &secret).await.is_problem(403, "forbidden", None);
    }
    let narrowed = service.token(None, &["keys:write"]).await;
    ask(&narrowed, &secret).await.is_problem(403, "forbidden", None);
    let edge = ask(crate::service::EDGE_CREDENTIAL, &secret).await;
    edge.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn what_cannot_be_a_secret_is_told_why() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, secret) = key(&service, &workspace, "one").await;
    let mut mistyped = secret.clone();
    let last = mistyped.pop().unwrap();
    mistyped.push(if last == 'a' { 'b' } else { 'a' });
    for (wrong, words) in [
        (format!("{secret}\n"), "a line break"),
        (format!(" {secret}"), "white space"),
        (format!("\"{secret}\""), "quotation marks"),
        (mistyped, "check digits"),
        (secret[..20].to_owned(), "check digits"),
        ("short".to_owned(), "at least 16"),
        ("k".repeat(257), "at most 256"),
        ("with a space inside it".to_owned(), "visible ASCII"),
        ("k".repeat(200_000), "at most 256"),
    ] {
        let refused = lookup(&service, &wrong).await;
        refused.is_problem(404, "not_found", None);
        assert!(refused.text("detail").contains(words), "{}: {words}", refused.text("detail"));
    }
    let unknown = lookup(&service, "nobody-ever-had-this-secret").await;
    unknown.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_key_with_other_check_digits_that_was_brought_is_found() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let secret = "kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7M";
    let digest = hex::encode(Digest::of(&ApiKey::parse(secret).unwrap()).as_bytes());
    let body = json!({ "name": "old", "access": "read-only", "apis": ["*"], "sha256": digest });
    service.post(&format!("{workspace}/keys"), body).await.is(201);
    lookup(&service, secret).await.is(200);
}

#[tokio::test]
async fn one_of_the_two_is_given() {
    let service = Service::start().await;
    for (body, field) in [
        (json!({}), "secret"),
        (json!({ "secret": "a", "sha256": "b" }), "sha256"),
        (json!({ "secret": 1 }), "secret"),
        (json!({ "key": "a" }), "key"),
    ] {
        service.post("/v1/keys/lookup", body).await.is_problem(422, "invalid", Some(field));
    }
    service.get("/v1/keys/lookup").await.is_problem(405, "method_not_allowed", None);
    let nobody = service.request(Method::POST, "/v1/keys/lookup").without("authorization");
    nobody.json(&Value::Null).send().await.is_problem(401, "unauthorized", None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_look_keys_up_at_a_time_and_hold_nobody_up() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, secret) = key(&service, &workspace, "one").await;
    let authorization = format!("Basic {}", STANDARD.encode(format!("{secret}:")));
    let explained = json!({ "authorization": authorization, "method": "GET", "path": "/v1/data" });
    let began = Instant::now();
    for instance in 1..=10 {
        // After a report nothing is known by heart.
        send(&service, &report(instance, &[], service.now())).await;
        let lookups = join_all((0..16).map(|_| lookup(&service, &secret)));
        let explanations = join_all((0..16).map(|_| service.post("/v1/explain", explained.clone())));
        let (lookups, explanations) = tokio::join!(lookups, explanations);
        for found in lookups.into_iter().chain(explanations) {
            found.is(200);
        }
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}
