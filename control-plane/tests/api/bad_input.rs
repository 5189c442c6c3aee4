//! Whatever is wrong with a request is named, changes nothing and leaves no audit event.

#![allow(clippy::too_many_lines, reason = "the tests are tables")]

use axum::http::Method;
use serde_json::{Value, json};

use crate::service::Service;

fn good() -> Value {
    json!({ "name": "one", "access": "read-only", "apis": ["*"] })
}

fn with(member: &str, value: Value) -> Value {
    let mut body = good();
    body[member] = value;
    body
}

fn without(member: &str) -> Value {
    let mut body = good();
    body.as_object_mut().unwrap().remove(member);
    body
}

#[tokio::test]
async fn a_wrong_member_of_a_new_key_is_named_and_nothing_happens() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let ranges: Vec<String> = (0..33).map(|index| format!("10.0.0.{index}")).collect();
    let events = service.audit_events().await;
    for (body, field) in [
        (without("name"), "name"),
        (without("access"), "access"),
        (without("apis"), "apis"),
        (with("nmae", json!("x")), "nmae"),
        (with("name", json!(1)), "name"),
        (with("name", json!("")), "name"),
        (with("name", json!("a".repeat(101))), "name"),
        (with("name", json!("a\u{0}b")), "name"),
        (with("access", json!("root")), "access"),
        (with("apis", json!([])), "apis"),
        (with("apis", json!(["nope"])), "apis[0]"),
        (with("apis", json!(["*", "nope"])), "apis[0]"),
        (with("apis", json!("*")), "apis"),
        (with("environment", json!("prod")), "environment"),
        (with("member_id", json!("mem_00000000001")), "member_id"),
        (with("member_id", json!("key_00000000001")), "member_id"),
        (with("team_id", json!("team_00000000001")), "team_id"),
        (with("expires_at", json!("2025-12-31T23:59:59Z")), "expires_at"),
        (with("expires_at", json!("2026-01-01T00:00:00Z")), "expires_at"),
        (with("expires_at", json!("2200-01-01T00:00:00Z")), "expires_at"),
        (with("expires_at", json!("tomorrow")), "expires_at"),
        (with("expires_at", json!(1_900_000_000)), "expires_at"),
        (with("rotate_every_days", json!(0)), "rotate_every_days"),
        (with("rotate_every_days", json!(-1)), "rotate_every_days"),
        (with("rotate_every_days", json!(3651)), "rotate_every_days"),
        (with("restrictions", json!({ "ips": ranges })), "restrictions.ips[32]"),
        (with("restrictions", json!({ "ips": ["10.0.0.0/33"] })), "restrictions.ips[0]"),
        (with("restrictions", json!({ "ips": [1] })), "restrictions.ips[0]"),
        (with("restrictions", json!({ "ip": [] })), "restrictions.ip"),
        (with("restrictions", json!({ "referrers": ["http://x"] })), "restrictions.referrers[0]"),
        (with("external_id", json!("a".repeat(256))), "external_id"),
        (with("metadata", json!({ "a": "b".repeat(4096) })), "metadata"),
        (with("metadata", json!([])), "metadata"),
        (with("sha256", json!("abc")), "sha256"),
        (with("secret", json!("kw_x")), "secret"),
        (with("reason", json!("a".repeat(501))), "reason"),
        (with("reason", json!("a\nb")), "reason"),
    ] {
        let refused = service.post(&keys, body.clone()).await;
        assert_eq!(refused.body["field"], field, "{body}: {}", refused.body);
        refused.is_problem(422, "invalid", Some(field));
    }
    assert_eq!(service.audit_events().await, events);
    let list = service.get(&keys).await.is(200);
    assert_eq!(list.body["items"], json!([]));
}

#[tokio::test]
async fn a_wrong_member_of_a_change_is_named_and_nothing_happens() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let settings = "/v1/settings".to_owned();
    let tag = service.get(&key).await.header("etag").to_owned();
    let events = service.audit_events().await;
    for (method, path, body, field) in [
        (Method::PATCH, key.clone(), json!({ "x": 1 }), "x"),
        (Method::PATCH, key.clone(), json!({ "name": null }), "name"),
        (Method::PATCH, key.clone(), json!({ "access": null }), "access"),
        (Method::PATCH, key.clone(), json!({ "apis": null }), "apis"),
        (Method::PATCH, workspace.clone(), json!({ "name": null }), "name"),
        (Method::PATCH, workspace.clone(), json!({ "slug": null }), "slug"),
        (Method::PATCH, workspace.clone(), json!({ "status": null }), "status"),
        (Method::PATCH, workspace.clone(), json!({ "staff_max_access": null }), "staff_max_access"),
        (Method::PATCH, workspace.clone(), json!({ "reveal": null }), "reveal"),
        (Method::PATCH, settings.clone(), json!({ "key_prefix": null }), "key_prefix"),
        (Method::PATCH, settings.clone(), json!({ "check_digits": null }), "check_digits"),
        (Method::PATCH, settings.clone(), json!({ "accept": null }), "accept"),
        (Method::PATCH, settings.clone(), json!({ "basic_user": null }), "basic_user"),
        (Method::PATCH, settings.clone(), json!({ "realm": null }), "realm"),
        (Method::PATCH, settings.clone(), json!({ "ping_path": null }), "ping_path"),
        (Method::PATCH, key.clone(), json!({ "apis": ["nope"] }), "apis[0]"),
        (Method::PATCH, key.clone(), json!({ "environment": "test" }), "environment"),
        (Method::POST, format!("{key}/rotate"), json!({}), "grace_seconds"),
        (Method::POST, format!("{key}/rotate"), json!({ "grace_seconds": 2_592_001 }), "grace_seconds"),
        (Method::POST, format!("{key}/rotate"), json!({ "grace_seconds": -1 }), "grace_seconds"),
        (Method::POST, format!("{key}/rotate"), json!({ "grace_seconds": 1.5 }), "grace_seconds"),
        (Method::POST, format!("{key}/disable"), json!({ "why": "x" }), "why"),
        (Method::PATCH, workspace.clone(), json!({ "slug": "ws_00000000001" }), "slug"),
        (Method::PATCH, workspace.clone(), json!({ "status": "gone" }), "status"),
        (Method::PATCH, workspace.clone(), json!({ "max_keys": -1 }), "max_keys"),
        (
            Method::PUT,
            "/v1/apis/data".to_owned(),
            json!({ "routes": [{ "path_prefix": "x" }] }),
            "routes[0].path_prefix",
        ),
        (Method::PUT, "/v1/apis/data".to_owned(), json!({ "routes": [{}] }), "routes[0].path_prefix"),
        (
            Method::PUT,
            "/v1/apis/data".to_owned(),
            json!({ "routes": [{ "path_prefix": "/a", "methods": ["get"] }] }),
            "routes[0].methods[0]",
        ),
    ] {
        let call = service.request(method.clone(), &path).json(&body);
        let refused = call.send().await;
        assert_eq!(refused.body["field"], field, "{method} {path} {body}: {}", refused.body);
        refused.is_problem(422, "invalid", Some(field));
    }
    assert_eq!(service.audit_events().await, events);
    assert_eq!(service.get(&key).await.header("etag"), tag);
}

#[tokio::test]
async fn what_is_not_json_is_refused_before_anything_else() {
    let service = Service::start().await;
    let events = service.audit_events().await;
    for body in ["{", "{\"name\":\"a\"}}", "null x", "\u{feff}{}", "{'name':1}"] {
        let call = service.request(Method::POST, "/v1/workspaces");
        let refused = call.raw("application/json", body).send().await;
        refused.is_problem(400, "bad_json", None);
    }
    for body in ["null", "[]", "\"a\"", "1"] {
        let call = service.request(Method::POST, "/v1/workspaces");
        let refused = call.raw("application/json", body).send().await;
        refused.is_problem(422, "invalid", None);
    }
    let nested = format!("{{\"name\":\"a\",\"metadata\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let call = service.request(Method::POST, "/v1/workspaces");
    let refused = call.raw("application/json", nested).send().await;
    assert!(refused.status.is_client_error());
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn another_media_type_is_refused() {
    let service = Service::start().await;
    let body = json!({ "name": "a" }).to_string();
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        let call = service.request(Method::POST, "/v1/workspaces");
        let refused = call.raw(wrong, body.clone()).send().await;
        refused.is_problem(415, "unsupported_media_type", None);
    }
    let call = service.request(Method::POST, "/v1/workspaces");
    call.raw("Application/JSON; charset=utf-8", body).send().await.is(201);
    let edit = json!({ "realm": "X" }).to_string();
    let call = service.request(Method::PATCH, "/v1/settings");
    call.raw("application/merge-patch+json", edit).send().await.is(200);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let service = Service::start().await;
    let body = format!("{{\"name\":\"{}\"}}", "a".repeat(256 * 1024));
    let call = service.request(Method::POST, "/v1/workspaces");
    let refused = call.raw("application/json", body).send().await;
    refused.is_problem(413, "body_too_large", None);
}

#[tokio::test]
async fn a_refusal_does_not_repeat_what_was_sent() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let secret = "kw_0123456789abcdefghijklmnopqrstuv";
    for body in [
        with("access", json!(secret)),
        with("sha256", json!(secret)),
        with("expires_at", json!(secret)),
        with("restrictions", json!(secret)),
    ] {
        let refused = service.post(&format!("{workspace}/keys"), body).await;
        let text = String::from_utf8(refused.bytes.clone()).unwrap();
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn a_body_is_an_object_and_not_its_values_in_order() {
    let service = Service::start().await;
    for (path, body) in [
        ("/v1/workspaces", json!(["Acme"])),
        ("/v1/workspaces", json!(["Acme", null, null, null, null, null, null, null])),
        ("/v1/keys/lookup", json!(["a-secret-of-somebody", null])),
        ("/v1/explain", json!([null, null, null, null, "/", null, null, null, null, null])),
        ("/v1/explain", json!(null)),
    ] {
        service.post(path, body).await.is_problem(422, "invalid", None);
    }
    assert_eq!(service.get("/v1/workspaces").await.body["items"], json!([]));
}
