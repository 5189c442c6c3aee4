//! `/v1/snapshot`: how publishing stands, and the http lane.

use axum::http::Method;
use serde_json::json;

use crate::service::Service;

#[tokio::test]
async fn publishing_is_told_as_the_contract_words_it() {
    let service = Service::start().await;
    let status = service.get("/v1/snapshot").await.is(200);
    assert_eq!(
        status.body,
        json!({
            "generation": 2,
            "published_generation": 1,
            "published_at": "2026-01-01T00:00:00Z",
            "tree_generation": 1,
            "objects": 3,
            "bytes": 400,
            "last_error": null,
        })
    );
}

#[tokio::test]
async fn the_head_is_asked_for_again_and_again() {
    let service = Service::start().await;
    let head = service.get("/v1/snapshot/head").await.is(200);
    assert_eq!(head.bytes, b"head");
    assert_eq!(head.header("content-type"), "application/octet-stream");
    assert_eq!(head.header("cache-control"), "no-cache");
    let again = service
        .request(Method::GET, "/v1/snapshot/head")
        .header("if-none-match", head.header("etag"))
        .send()
        .await
        .is(304);
    assert!(again.bytes.is_empty());
    assert_eq!(again.header("etag"), "\"head-1\"");
}

#[tokio::test]
async fn an_object_is_kept_for_ever() {
    let service = Service::start().await;
    let object = service.get("/v1/snapshot/objects/0a").await.is(200);
    assert_eq!(object.bytes, b"object");
    assert!(object.header("cache-control").contains("immutable"));
    let again = service
        .request(Method::GET, "/v1/snapshot/objects/0a")
        .header("if-none-match", object.header("etag"))
        .send()
        .await;
    again.is(304);
}

#[tokio::test]
async fn a_members_token_reads_no_snapshot_object() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (owner, token) = service.somebody(&workspace, "owner").await;
    let narrowed = service.token(None, &["keys:read", "workspaces:write"]).await;
    let deployment = service.token(None, &["deployment"]).await;
    for path in ["/v1/snapshot", "/v1/snapshot/head", "/v1/snapshot/objects/0a", "/v1/snapshot/objects/0b"] {
        let call = || service.request(Method::GET, path);
        call().bearer(&token).send().await.is_problem(403, "forbidden", None);
        call().bearer(&narrowed).send().await.is_problem(403, "forbidden", None);
        call().header("keyward-on-behalf-of", &owner).send().await.is_problem(403, "forbidden", None);
        let found = if path.ends_with("0b") { 404 } else { 200 };
        call().bearer(&deployment).send().await.is(found);
        call().send().await.is(found);
    }
}
