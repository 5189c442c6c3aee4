//! `/v1/workspaces/{ws}/keys`.

use axum::http::Method;
use serde_json::{Value, json};

use crate::mutations::Mutation;
use crate::service::Service;

/// SHA-256 of the 32-hex key `0123456789abcdef0123456789abcdef`.
const DIGEST: &str = "3eb1bd439947eb762998e566ccc2e099c791118b2f40579cc4f7da2b5061b7f9";

#[tokio::test]
async fn a_key_reads_as_the_contract_words_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let body = json!({ "name": "one", "access": "read-only", "apis": ["*"] });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    assert_eq!(made.header("cache-control"), "no-store");
    let secret = made.text("secret");
    assert!(secret.starts_with("kw_") && secret.len() == 3 + 27 + 6, "{secret}");
    let hint = format!("kw_…{}", &secret[secret.len() - 4..]);

    let path = made.header("location").to_owned();
    let read = service.get(&path).await.is(200);
    assert_eq!(read.body, made.body["key"]);
    assert_eq!(read.header("etag"), made.header("etag"));
    let key = &read.body;
    let id = key["id"].as_str().unwrap();
    let member = key["member"]["id"].as_str().unwrap();
    assert!(id.starts_with("key_") && member.starts_with("mem_"));
    assert_eq!(
        *key,
        json!({
            "id": id,
            "workspace_id": workspace.rsplit('/').next().unwrap(),
            "name": "one",
            "hint": hint,
            "access": "read-only",
            "apis": ["*"],
            "coverage": "full",
            "environment": "live",
            "member": { "id": member, "name": "default", "role": "owner" },
            "team_id": null,
            "status": "active",
            "created_at": "2026-01-01T00:00:00Z",
            "expires_at": null,
            "rotation_due_at": null,
            "last_used_at": null,
            "usage_known_until": null,
            "denied_since": null,
            "restrictions": { "ips": [], "referrers": [], "apps": [] },
            "rotation": null,
            "external_id": null,
            "metadata": {},
            "version": 1,
        })
    );
}

#[tokio::test]
async fn every_field_that_is_given_comes_back() {
    let service = Service::start().await;
    service.put("/v1/apis/data", json!({})).await.is(201);
    service.put("/v1/apis/push", json!({})).await.is(201);
    let workspace = service.workspace("Acme").await;
    let body = json!({
        "name": "one",
        "access": "read-write",
        "apis": ["push"],
        "environment": "test",
        "expires_at": "2026-06-01T02:00:00.999+02:00",
        "rotate_every_days": 90,
        "restrictions": {
            "ips": ["10.1.2.3/8", "2001:db8::1"],
            "referrers": ["*.example.com"],
            "apps": [{ "platform": "ios", "bundle": "com.example.app" }],
        },
        "external_id": "ext",
        "metadata": { "a": [1, null] },
    });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    let key = &made.body["key"];
    assert_eq!(key["apis"], json!(["push"]));
    assert_eq!(key["coverage"], "partial");
    assert_eq!(key["environment"], "test");
    assert_eq!(key["expires_at"], "2026-06-01T00:00:00Z");
    assert_eq!(key["rotation_due_at"], "2026-04-01T00:00:00Z");
    assert_eq!(
        key["restrictions"],
        json!({
            "ips": ["10.0.0.0/8", "2001:db8::1/128"],
            "referrers": ["*.example.com"],
            "apps": [{ "platform": "ios", "bundle": "com.example.app" }],
        })
    );
    assert_eq!(key["external_id"], "ext");
    assert_eq!(key["metadata"], json!({ "a": [1, null] }));
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_null_clears() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let edit = json!({
        "access": "read-only",
        "expires_at": "2027-01-01T00:00:00Z",
        "rotate_every_days": 30,
        "restrictions": { "ips": ["192.0.2.0/24"] },
        "metadata": { "a": 1 },
    });
    let changed = service.patch(&key, edit).await.is(200);
    assert_eq!(changed.body["key"]["name"], "one");
    assert_eq!(changed.body["key"]["access"], "read-only");
    assert_eq!(changed.body["key"]["version"], 2);

    let edit = json!({
        "name": "two", "expires_at": null, "rotate_every_days": null,
        "restrictions": null, "metadata": null,
    });
    let changed = service.patch(&key, edit).await.is(200);
    let read = &changed.body["key"];
    assert_eq!(read["name"], "two");
    assert_eq!(read["access"], "read-only");
    assert_eq!(read["expires_at"], Value::Null);
    assert_eq!(read["rotation_due_at"], Value::Null);
    assert_eq!(read["restrictions"]["ips"], json!([]));
    assert_eq!(read["metadata"], json!({}));
}

#[tokio::test]
async fn a_name_is_taken_until_its_key_is_archived_or_deleted() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let body = json!({ "name": "one", "access": "read-only", "apis": ["*"] });
    for verb in ["archive", "delete"] {
        let path = service.post(&keys, body.clone()).await.is(201);
        let path = path.header("location").to_owned();
        let refused = service.post(&keys, body.clone()).await;
        refused.is_problem(409, "name_taken", Some("name"));
        if verb == "archive" {
            service.post(&format!("{path}/archive"), json!({})).await.is(200);
        } else {
            service.delete(&path).await.is(200);
        }
    }
    service.post(&keys, body).await.is(201);

    let other = service.key(&workspace, "two").await;
    let refused = service.patch(&other, json!({ "name": "one" })).await;
    refused.is_problem(409, "name_taken", Some("name"));
}

#[tokio::test]
async fn disable_stops_and_enable_starts_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    for (verb, status) in [("disable", "disabled"), ("disable", "disabled"), ("enable", "active")] {
        let path = format!("{key}/{verb}");
        // The verbs without arguments need no body at all.
        let done = service.request(axum::http::Method::POST, &path).send().await;
        let done = done.is(200);
        assert_eq!(done.body["key"]["status"], status);
        assert!(done.body["generation"].is_u64());
    }
}

#[tokio::test]
async fn archived_is_final_and_readable_deleted_is_gone() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let done = service.post(&format!("{key}/archive"), json!({})).await.is(200);
    assert_eq!(done.body["key"]["status"], "archived");
    let read = service.get(&key).await.is(200);
    assert_eq!(read.text("status"), "archived");
    for verb in ["enable", "disable", "archive"] {
        let refused = service.post(&format!("{key}/{verb}"), json!({})).await;
        refused.is_problem(409, "key_archived", None);
    }
    let refused = service.patch(&key, json!({ "name": "two" })).await;
    refused.is_problem(409, "key_archived", None);

    let gone = service.delete(&key).await.is(200);
    assert!(gone.body["generation"].is_u64());
    service.get(&key).await.is_problem(404, "not_found", None);
    service.delete(&key).await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn an_expired_key_reads_as_expired() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let body = json!({
        "name": "one", "access": "read-only", "apis": ["*"],
        "expires_at": "2026-01-01T00:01:00Z",
    });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    let path = made.header("location").to_owned();
    service.pass_seconds(60);
    let read = service.get(&path).await.is(200);
    assert_eq!(read.text("status"), "expired");
}

#[tokio::test]
async fn a_digest_is_brought_once_for_ever() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let body = |name: &str| json!({ "name": name, "access": "read-only", "apis": ["*"], "sha256": DIGEST });
    let made = service.post(&keys, body("one")).await.is(201);
    assert_eq!(made.body["secret"], Value::Null);
    assert_eq!(made.body["key"]["hint"], Value::Null);
    let path = made.header("location").to_owned();
    service.delete(&path).await.is(200);
    let refused = service.post(&keys, body("two")).await;
    refused.is_problem(409, "secret_exists", Some("sha256"));
}

#[tokio::test]
async fn a_workspace_has_as_many_keys_as_it_may() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    service.patch(&workspace, json!({ "max_keys": 1 })).await.is(200);
    service.key(&workspace, "one").await;
    let body = json!({ "name": "two", "access": "read-only", "apis": ["*"] });
    let refused = service.post(&format!("{workspace}/keys"), body).await;
    refused.is_problem(409, "key_limit", None);
}

#[tokio::test]
async fn a_key_is_not_found_through_another_workspace() {
    let service = Service::start().await;
    let one = service.workspace("One").await;
    let two = service.workspace("Two").await;
    let key = service.key(&one, "one").await;
    let wrong = format!("{two}/keys/{}", key.rsplit('/').next().unwrap());
    service.get(&wrong).await.is_problem(404, "not_found", None);
    service.delete(&wrong).await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn the_reason_and_the_request_stand_in_the_audit_log() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let body = json!({ "reason": "leaked in a ticket" });
    let done = service.post(&format!("{key}/disable"), body).await.is(200);
    let (action, entity, reason, request) = service.last_event().await;
    assert_eq!((action.as_str(), entity.as_str()), ("Disable", "API Keys"));
    assert_eq!(reason.as_deref(), Some("leaked in a ticket"));
    assert_eq!(request, done.header("x-request-id"));

    service.delete(&format!("{key}?reason=not%20needed")).await.is(200);
    let (action, _, reason, _) = service.last_event().await;
    assert_eq!(action, "Delete");
    assert_eq!(reason.as_deref(), Some("not needed"));
}

/// Every mutation of keys but those of a rotation.
pub(crate) async fn mutations(service: &Service) -> Vec<Mutation> {
    let workspace = service.workspace("Keys that change").await;
    let key = service.key(&workspace, "one").await;
    let new = json!({ "name": "new", "access": "read-only", "apis": ["*"] });
    vec![
        Mutation::new(Method::POST, format!("{workspace}/keys"), new),
        Mutation::new(Method::PATCH, &key, json!({ "name": "two" })),
        Mutation::new(Method::POST, format!("{key}/disable"), json!({})),
        Mutation::new(Method::POST, format!("{key}/enable"), json!({})),
        Mutation::new(Method::POST, format!("{key}/archive"), json!({})),
        Mutation::new(Method::DELETE, &key, json!({})),
    ]
}
