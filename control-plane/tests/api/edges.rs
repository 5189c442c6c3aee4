//! `/v1/edges`: what edges report, and who is told of it.

use axum::http::Method;
use keyward_shared::decision::{Reason, Refusal};
use keyward_shared::report::{Counter, Lanes, MAX_REPORT_BYTES, RefusalKind, Report, State};
use serde_json::json;

use crate::reports::{self, send, send_bytes};
use crate::service::{EDGE_CREDENTIAL, Service};

/// 2026-01-01T00:00:00Z, where the service's clock begins.
const START: u64 = 1_767_225_600_000;

/// The first report of an edge that has applied these generations.
fn report(instance: u8, generations: &[u64]) -> Report {
    reports::report(instance, generations, START)
}

#[tokio::test]
async fn an_edge_is_told_of_as_it_reports_itself() {
    let service = Service::start().await;
    send(&service, &report(7, &[40, 41])).await;
    let edges = service.get("/v1/edges").await.is(200);
    assert_eq!(
        edges.body,
        json!({
            "items": [{
                "id": "07070707070707070707",
                "location": "FRA",
                "version": "0.1.0",
                "lanes": ["kv", "http"],
                "state": "fresh",
                "live": true,
                "epoch": 2,
                "generation": 41,
                "applied_at": "2026-01-01T00:00:00.041Z",
                "first_seen_at": "2026-01-01T00:00:00Z",
                "last_seen_at": "2026-01-01T00:00:00Z",
                "peppers": ["00000000000000ab"],
                "counters": {},
            }],
            "next_cursor": null,
        })
    );
}

#[tokio::test]
async fn an_edge_without_a_head_and_a_place_is_told_of_too() {
    let service = Service::start().await;
    let mut report = report(7, &[]);
    report.envelope.location.clear();
    (report.body.state, report.body.lanes) = (State::None, Lanes { kv: true, http: false });
    send(&service, &report).await;
    let edge = &service.get("/v1/edges").await.is(200).body["items"][0];
    for member in ["location", "epoch", "generation", "applied_at"] {
        assert!(edge[member].is_null(), "{member}: {edge}");
    }
    assert_eq!((&edge["state"], &edge["lanes"]), (&json!("none"), &json!(["kv"])));
}

#[tokio::test]
async fn a_report_counts_once_however_often_it_comes() {
    let service = Service::start().await;
    let unknown = Counter::Refused(RefusalKind::of(Refusal::Unauthorized(Reason::Unknown)));
    let mut report = report(7, &[41]);
    report.body.counters = vec![(Counter::RollbackIgnored, 1), (unknown, 5)];
    for _ in 0..3 {
        send(&service, &report).await;
    }
    let counters = async || service.get("/v1/edges").await.is(200).body["items"][0]["counters"].clone();
    assert_eq!(counters().await, json!({ "rollback_ignored": 1, "unknown": 5 }));
    let late = report.clone();
    report.envelope.sequence = 3;
    report.body.counters = vec![(unknown, 2), (Counter::Allowed, 9)];
    send(&service, &report).await;
    // What was sent before a later one that was taken says nothing any more.
    send(&service, &late).await;
    assert_eq!(counters().await, json!({ "allowed": 9, "rollback_ignored": 1, "unknown": 7 }));
}

#[tokio::test]
async fn a_report_takes_no_generation_and_no_audit_event() {
    let service = Service::start().await;
    let before = (service.generation().await, service.audit_events().await);
    send(&service, &report(7, &[41])).await;
    assert_eq!((service.generation().await, service.audit_events().await), before);
}

#[tokio::test]
async fn an_edge_is_live_for_as_long_as_its_lane_says_and_listed_for_a_day() {
    let service = Service::start().await;
    let mut kv_only = report(2, &[41]);
    kv_only.body.lanes.http = false;
    send(&service, &report(1, &[41])).await;
    send(&service, &kv_only).await;
    let live = async || {
        let edges = service.get("/v1/edges").await.is(200).body;
        let edge = |edge: &serde_json::Value| (edge["id"].as_str().unwrap()[..2].to_owned(), edge["live"] == true);
        edges["items"].as_array().unwrap().iter().map(edge).collect::<Vec<_>>()
    };
    let told = |http, kv| vec![("02".to_owned(), kv), ("01".to_owned(), http)];
    for (seconds, http, kv) in [(59, true, true), (1, false, true), (119, false, true), (1, false, false)] {
        service.pass_seconds(seconds);
        assert_eq!(live().await, told(http, kv));
    }
    service.pass_seconds(24 * 3600 - 180);
    assert_eq!(live().await.len(), 2);
    service.pass_seconds(1);
    assert_eq!(live().await, []);
}

#[tokio::test]
async fn edges_are_listed_a_page_at_a_time() {
    let service = Service::start().await;
    for instance in 1..=5 {
        send(&service, &report(instance, &[41])).await;
        service.pass_seconds(i64::from(instance % 2));
    }
    let (mut path, mut seen) = ("/v1/edges?limit=2".to_owned(), Vec::new());
    loop {
        let page = service.get(&path).await.is(200).body;
        seen.extend(page["items"].as_array().unwrap().iter().map(|edge| edge["id"].as_str().unwrap()[..2].to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/edges?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["05", "04", "03", "02", "01"]);
}

#[tokio::test]
async fn what_is_no_report_is_refused_and_changes_nothing() {
    let service = Service::start().await;
    let good = report(7, &[41]).encode().expect("within bounds");
    let mut spoiled = good.clone();
    spoiled[4] = 9;
    for bytes in [Vec::new(), b"{}".to_vec(), good[..good.len() - 1].to_vec(), [&good[..], b"x"].concat(), spoiled] {
        send_bytes(&service, bytes).await.is_problem(400, "bad_report", None);
    }
    send_bytes(&service, vec![0; MAX_REPORT_BYTES]).await.is_problem(400, "bad_report", None);
    send_bytes(&service, vec![0; MAX_REPORT_BYTES + 1]).await.is_problem(413, "body_too_large", None);
    let call = || service.request(Method::POST, "/v1/edges/report").bearer(EDGE_CREDENTIAL);
    call().raw("application/json", good).send().await.is_problem(415, "unsupported_media_type", None);
    assert_eq!(service.get("/v1/edges").await.is(200).body["items"], json!([]));
}

#[tokio::test]
async fn only_edges_report_and_edges_read_no_list() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, member) = service.somebody(&workspace, "owner").await;
    let report = report(7, &[41]).encode().expect("within bounds");
    let call = || {
        let call = service.request(Method::POST, "/v1/edges/report");
        call.raw("application/octet-stream", report.clone())
    };
    call().send().await.is_problem(403, "forbidden", None);
    call().bearer(&member).send().await.is_problem(403, "forbidden", None);
    call().bearer("kwt_nobody").send().await.is_problem(401, "unauthorized", None);
    call().without("authorization").send().await.is_problem(401, "unauthorized", None);
    let list = || service.request(Method::GET, "/v1/edges");
    list().bearer(EDGE_CREDENTIAL).send().await.is_problem(403, "forbidden", None);
    list().bearer(&member).send().await.is_problem(403, "forbidden", None);
    assert_eq!(list().send().await.is(200).body["items"], json!([]));
}

#[tokio::test]
async fn numbers_beyond_what_the_database_holds_are_taken_as_the_largest() {
    let service = Service::start().await;
    let mut report = report(7, &[u64::MAX]);
    report.body.counters = vec![(Counter::Allowed, u32::MAX)];
    send(&service, &report).await;
    let edge = &service.get("/v1/edges").await.is(200).body["items"][0];
    assert_eq!(edge["generation"], i64::MAX);
}
