//! `ETag`, `If-Match`, `If-None-Match`.

use axum::http::Method;
use serde_json::{Value, json};

use crate::members;
use crate::mutations::{self, Mutation};
use crate::service::{Reply, Service};

async fn edit(service: &Service, method: Method, path: &str, if_match: &str, body: &Value) -> Reply {
    service.request(method, path).header("if-match", if_match).json(body).send().await
}

async fn patch(service: &Service, path: &str, if_match: &str, body: &Value) -> Reply {
    edit(service, Method::PATCH, path, if_match, body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_patches_or_puts_with_one_if_match_one_wins() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let member = members::add(&service, &workspace, "staff").await;
    let team = service.post(&format!("{workspace}/teams"), json!({ "name": "one" })).await.is(201);
    service.put("/v1/apis/data", json!({})).await.is(201);
    // Whatever is changed by whoever has seen it, and a field of it that both write.
    for (method, path, field) in [
        (Method::PATCH, key.as_str(), "name"),
        (Method::PATCH, workspace.as_str(), "name"),
        (Method::PATCH, member.as_str(), "name"),
        (Method::PATCH, team.header("location"), "name"),
        (Method::PATCH, "/v1/settings", "realm"),
        (Method::PUT, "/v1/apis/data", "title"),
    ] {
        for round in 0..5 {
            let before = service.get(path).await.is(200);
            let tag = before.header("etag");
            let edits = ["one", "other"].map(|by| json!({ field: format!("{by} {round}") }));
            let [one, other] = &edits;
            let send = |body| edit(&service, method.clone(), path, tag, body);
            let replies = tokio::join!(send(one), send(other));
            let ((won, edit), lost) = match (replies.0.status.as_u16(), replies.1.status.as_u16()) {
                (200, 412) => ((replies.0, one), replies.1),
                (412, 200) => ((replies.1, other), replies.0),
                statuses => panic!("{path}: {statuses:?}"),
            };
            lost.is_problem(412, "precondition_failed", None);
            let after = service.get(path).await.is(200);
            assert_eq!(after.body[field], edit[field], "{path}: what is there is the winner's");
            assert_eq!(after.header("etag"), won.header("etag"), "{path}");
            assert_eq!(after.body["version"].as_u64(), before.body["version"].as_u64().map(|version| version + 1));
        }
    }
}

#[tokio::test]
async fn every_change_honours_if_match() {
    let service = Service::start().await;
    let all = mutations::all(&service).await;
    let events = service.audit_events().await;
    for Mutation { method, path, body } in all {
        for tag in ["\"99-0000000000000000\"", "\"foreign\"", "W/\"1-00\""] {
            let call = service.request(method.clone(), &path);
            let refused = call.header("if-match", tag).json(&body).send().await;
            refused.is_problem(412, "precondition_failed", None);
        }
    }
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn time_does_not_spoil_a_tag_for_a_change_but_does_for_a_read() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let body = json!({
        "name": "one", "access": "read-only", "apis": ["*"],
        "expires_at": "2026-01-01T00:01:00Z",
    });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    let path = made.header("location").to_owned();
    service.pass_seconds(60);
    let read = service.request(Method::GET, &path).header("if-none-match", made.header("etag")).send().await.is(200);
    assert_eq!(read.text("status"), "expired");
    let edit = json!({ "expires_at": null });
    patch(&service, &path, made.header("etag"), &edit).await.is(200);
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    for path in [
        key.as_str(),
        workspace.as_str(),
        "/v1/workspaces",
        &format!("{workspace}/keys"),
        &format!("{workspace}/members"),
        &format!("{workspace}/teams"),
        "/v1/apis",
        "/v1/settings",
        "/v1/snapshot",
    ] {
        let first = service.get(path).await.is(200);
        assert!(!first.header("etag").is_empty(), "{path}");
        let again =
            service.request(Method::GET, path).header("if-none-match", first.header("etag")).send().await.is(304);
        assert!(again.bytes.is_empty(), "{path}");
        assert_eq!(again.header("etag"), first.header("etag"), "{path}");
    }
}

#[tokio::test]
async fn a_tag_without_quotes_is_refused() {
    let service = Service::start().await;
    let refused = patch(&service, "/v1/settings", "1", &json!({})).await;
    refused.is_problem(400, "bad_header", Some("If-Match"));
}
