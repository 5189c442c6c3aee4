//! `/v1/settings`.

use axum::http::Method;
use serde_json::json;

use crate::mutations::Mutation;
use crate::service::Service;

#[tokio::test]
async fn settings_have_their_defaults_until_they_are_changed() {
    let service = Service::start().await;
    let read = service.get("/v1/settings").await.is(200);
    assert_eq!(
        read.body,
        json!({
            "key_prefix": "kw",
            "check_digits": "enforce",
            "accept": ["basic"],
            "basic_user": "match",
            "realm": "API",
            "ping_path": "/v1/ping",
            "version": 1,
        })
    );
    let edit = json!({
        "key_prefix": "acme",
        "accept": ["basic", "bearer", "header:X-Api-Key"],
        "reason": "a new product",
    });
    let changed = service.patch("/v1/settings", edit).await.is(200);
    assert_eq!(changed.body["accept"], json!(["basic", "bearer", "header:x-api-key"]));
    let read = service.get("/v1/settings").await.is(200);
    assert_eq!(read.header("etag"), changed.header("etag"));

    let workspace = service.workspace("Acme").await;
    for (environment, prefix) in [("live", "acme_"), ("test", "acme_test_")] {
        let body = json!({
            "name": environment, "access": "read-only", "apis": ["*"], "environment": environment,
        });
        let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
        assert!(made.text("secret").starts_with(prefix));
    }
}

#[tokio::test]
async fn what_no_edge_could_use_is_refused_by_field() {
    let service = Service::start().await;
    for (edit, field) in [
        (json!({ "key_prefix": "1a" }), "key_prefix"),
        (json!({ "accept": [] }), "accept"),
        (json!({ "accept": ["header:cookie"] }), "accept"),
        (json!({ "accept": ["basic", "digest"] }), "accept[1]"),
        (json!({ "realm": "a\"b" }), "realm"),
        (json!({ "ping_path": "/.keyward/x" }), "ping_path"),
        (json!({ "check_digits": "sometimes" }), "check_digits"),
        (json!({ "origin": "https://elsewhere.example" }), "origin"),
    ] {
        let refused = service.patch("/v1/settings", edit).await;
        refused.is_problem(422, "invalid", Some(field));
    }
}

/// Every mutation of the settings.
pub(crate) fn mutations() -> Vec<Mutation> {
    vec![Mutation::new(Method::PATCH, "/v1/settings", json!({ "realm": "Changed" }))]
}
