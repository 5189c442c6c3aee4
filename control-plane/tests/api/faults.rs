//! Faults of ours: said as such, without a word of what is inside.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use crate::service::{EDGE_CREDENTIAL, Reply, Service};

async fn object(service: &Service, name: &str) -> Reply {
    service
        .request(Method::GET, &format!("/v1/snapshot/objects/{name}"))
        .header("authorization", &format!("Bearer {EDGE_CREDENTIAL}"))
        .send()
        .await
}

#[tokio::test]
async fn a_locked_database_refuses_a_change_and_keeps_nothing_of_it() {
    let service = Service::start().await;
    let events = service.audit_events().await;
    let lock = service.lock_database().await;
    let body = json!({ "name": "Acme" });
    let refused = service.post("/v1/workspaces", body.clone()).await;
    refused.is_problem(503, "unavailable", None);
    assert_eq!(refused.header("retry-after"), "2");
    let said = refused.body.to_string().to_lowercase();
    assert!(!said.contains("sqlite") && !said.contains("lock"), "{said}");
    service.get("/v1/workspaces").await.is(200);

    drop(lock);
    assert_eq!(service.audit_events().await, events);
    service.post("/v1/workspaces", body).await.is(201);
}

#[tokio::test]
async fn it_is_not_ready_while_no_change_can_be_made_or_published() {
    let service = Service::start().await;
    service.get("/readyz").await.is(200);
    let lock = service.lock_database().await;
    service.get("/readyz").await.is_problem(503, "unavailable", None);
    service.get("/healthz").await.is(200);
    drop(lock);
    service.post("/v1/workspaces", json!({ "name": "Acme" })).await.is(201);
    service.get("/readyz").await.is(200);

    service.halt_publishing();
    service.get("/readyz").await.is_problem(503, "unavailable", None);
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_next_request_is_answered() {
    let service = Service::start().await;
    let failed = object(&service, "panic").await;
    failed.is_problem(500, "internal", None);
    assert!(!failed.body.to_string().contains("a fault of ours"));
    object(&service, "0a").await.is(200);
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_no_missing_one() {
    let service = Service::start().await;
    let failed = object(&service, "away").await;
    failed.is_problem(503, "unavailable", None);
}

#[tokio::test]
async fn a_request_ends_after_its_time() {
    let service = Service::start().await;
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let failed = object(&service, "slow").await;
    failed.is_problem(504, "timeout", None);
    assert_eq!(started.elapsed().as_secs(), Duration::from_secs(30).as_secs());
}
