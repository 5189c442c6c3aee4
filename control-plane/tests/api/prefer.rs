//! `Prefer: wait`: an answer that comes when edges have applied the change.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::json;

use crate::reports::{report, send};
use crate::service::{Reply, Service};

/// Makes a workspace, waiting for so long as the header says.
async fn make(service: &Service, prefer: &str, idempotency_key: &str) -> (Reply, Duration) {
    let began = Instant::now();
    let call = service.request(Method::POST, "/v1/workspaces").json(&json!({ "name": "Acme" }));
    let call = call.header("prefer", prefer).header("idempotency-key", idempotency_key);
    (call.send().await, began.elapsed())
}

/// Lets an edge tell that it holds the newest generation.
async fn apply(service: &Service, instance: u8, sequence: u32) {
    let mut report = report(instance, &[service.generation().await.cast_unsigned()], service.now());
    report.envelope.sequence = sequence;
    send(service, &report).await;
}

#[tokio::test]
async fn the_answer_comes_when_every_live_edge_has_applied_the_change() {
    let service = Service::start().await;
    apply(&service, 1, 1).await;
    apply(&service, 2, 1).await;
    let edges = async {
        while !service.is_awaited() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        apply(&service, 1, 2).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(service.is_awaited(), "the other edge has not applied it");
        apply(&service, 2, 2).await;
    };
    let ((made, took), ()) = tokio::join!(make(&service, "wait=20", "one"), edges);
    assert_eq!(made.is(201).header("preference-applied"), "wait");
    assert!(took >= Duration::from_millis(600) && took < Duration::from_secs(10), "{took:?}");
    assert!(!service.is_awaited());
}

#[tokio::test]
async fn without_an_edge_or_with_one_that_is_behind_nothing_is_said() {
    let service = Service::start().await;
    let (made, took) = make(&service, "wait=1", "one").await;
    assert_eq!(made.is(201).header("preference-applied"), "");
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(5), "{took:?}");
    apply(&service, 1, 1).await;
    let (made, took) = make(&service, "wait=1", "two").await;
    assert_eq!(made.is(201).header("preference-applied"), "");
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_process_that_stops_answers_whoever_waits_that_the_change_is_made() {
    let service = Service::start().await;
    apply(&service, 1, 1).await;
    let stop = async {
        while !service.is_awaited() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(service.is_awaited());
        service.end_waits();
    };
    let ((made, took), ()) = tokio::join!(make(&service, "wait=20", "one"), stop);
    assert_eq!(made.is(201).header("preference-applied"), "");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let (made, took) = make(&service, "wait=20", "two").await;
    assert_eq!(made.is(201).header("preference-applied"), "");
    assert!(took < Duration::from_secs(5), "{took:?} for what came in while it stops");
}

#[tokio::test]
async fn an_edge_that_is_live_no_more_holds_nobody_up() {
    let service = Service::start().await;
    apply(&service, 1, 1).await;
    service.pass_seconds(30);
    let others = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        apply(&service, 2, 1).await;
        service.pass_seconds(30);
    };
    let ((made, took), ()) = tokio::join!(make(&service, "wait=20", "one"), others);
    assert_eq!(made.is(201).header("preference-applied"), "wait");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn a_repeated_call_waits_for_its_own_change_and_no_other() {
    let service = Service::start().await;
    let (made, _) = make(&service, "wait=0", "one").await;
    apply(&service, 1, 1).await;
    service.workspace("Other").await;
    let (again, took) = make(&service, "wait=20", "one").await;
    assert_eq!((again.header("idempotency-replayed"), again.header("preference-applied")), ("true", "wait"));
    assert_eq!(again.is(201).body, made.body);
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn who_does_not_prefer_to_wait_or_is_refused_does_not() {
    let service = Service::start().await;
    apply(&service, 1, 1).await;
    for (prefer, key) in [("wait=0", "one"), ("respond-async", "two"), ("wait=soon", "three")] {
        let (made, took) = make(&service, prefer, key).await;
        assert_eq!(made.is(201).header("preference-applied"), "", "{prefer}");
        assert!(took < Duration::from_secs(1), "{prefer}: {took:?}");
    }
    let call = service.request(Method::POST, "/v1/workspaces").json(&json!({})).header("prefer", "wait=20");
    let began = Instant::now();
    call.send().await.is_problem(422, "invalid", Some("name"));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn however_many_wait_others_are_answered_meanwhile() {
    const WAITING: usize = 200;
    let service = Service::start().await;
    apply(&service, 1, 1).await;
    service.workspace("Acme").await;
    let keys: Vec<String> = (0..WAITING).map(|number| format!("wait-{number}")).collect();
    let waits = futures_util::future::join_all(keys.iter().map(|key| make(&service, "wait=3", key)));
    let others = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        for instance in 2..22 {
            let report = report(instance, &[1], service.now());
            send(&service, &report).await;
            service.get("/v1/workspaces").await.is(200);
        }
        began.elapsed()
    };
    let (waited, others) = tokio::join!(waits, others);
    assert!(others < Duration::from_secs(2), "{others:?}");
    for (made, took) in waited {
        assert_eq!(made.is(201).header("preference-applied"), "");
        assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(8), "{took:?}");
    }
}

#[tokio::test]
async fn the_longest_wait_ends_before_the_requests_limit() {
    let service = Service::start().await;
    let (made, took) = make(&service, "wait=3600", "one").await;
    assert_eq!(made.is(201).header("preference-applied"), "");
    assert!(took >= Duration::from_secs(28) && took < Duration::from_secs(30), "{took:?}");
}
