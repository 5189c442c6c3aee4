//! `/v1/snapshot`: how publishing stands, and the http lane.

use axum::http::Method;
use serde_json::json;

use crate::service::{LANE_TOKEN, Service};

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
    let again = service
        .request(Method::GET, "/v1/snapshot/head")
        .header("if-none-match", head.header("etag"))
        .send()
        .await
        .is(304);
    assert!(again.bytes.is_empty());
    for reply in [&head, &again] {
        assert_eq!(reply.header("etag"), "\"head-1\"");
        assert_eq!(reply.header("cache-control"), "public, max-age=0, s-maxage=1");
        assert_eq!(reply.header("vary"), "authorization");
    }
}

#[tokio::test]
async fn an_object_is_kept_for_ever() {
    let service = Service::start().await;
    let object = service.get("/v1/snapshot/objects/0a").await.is(200);
    assert_eq!(object.bytes, b"object");
    let again = service
        .request(Method::GET, "/v1/snapshot/objects/0a")
        .header("if-none-match", object.header("etag"))
        .send()
        .await
        .is(304);
    for reply in [&object, &again] {
        assert_eq!(reply.header("etag"), "\"0a\"");
        assert_eq!(reply.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(reply.header("vary"), "authorization");
    }
}

#[tokio::test]
async fn no_cache_keeps_what_is_not_there_or_refused() {
    let service = Service::start().await;
    let missing = service.get("/v1/snapshot/objects/0b").await.is(404);
    assert_eq!(missing.header("cache-control"), "no-store");
    service.unpublish();
    let none = service.get("/v1/snapshot/head").await.is(404);
    assert_eq!(none.header("cache-control"), "no-store");
    for path in ["/v1/snapshot/head", "/v1/snapshot/objects/0a"] {
        let stranger = service.request(Method::GET, path).without("authorization").send().await.is(401);
        assert_eq!(stranger.header("cache-control"), "no-store");
    }
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

#[tokio::test]
async fn the_lanes_token_opens_head_and_objects_and_reports_nothing() {
    let service = Service::start().await;
    for path in ["/v1/snapshot/head", "/v1/snapshot/objects/0a"] {
        service.request(Method::GET, path).bearer(LANE_TOKEN).send().await.is(200);
    }
    for path in ["/v1/snapshot", "/v1/settings", "/v1/edges", "/v1/workspaces"] {
        service.request(Method::GET, path).bearer(LANE_TOKEN).send().await.is_problem(403, "forbidden", None);
    }
    let report = service.request(Method::POST, "/v1/edges/report").bearer(LANE_TOKEN);
    report.send().await.is_problem(403, "forbidden", None);
}
