//! Tries to sign in that are refused: what the audit log hears of them, and what they cost.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};

use crate::service::{EDGE_CREDENTIAL, Service};

/// The refused tries that the audit log tells of, oldest first.
async fn told(service: &Service) -> Vec<Value> {
    let rows = service.details_of("Login").await;
    rows.into_iter().filter(|details| details["operation"] == "sign_in_failed").collect()
}

/// The same once there are so many: they are written while nobody waits.
async fn told_at_last(service: &Service, number: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let told = told(service).await;
        if told.len() >= number || Instant::now() > until {
            assert_eq!(told.len(), number);
            return told;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_thousand_tries_from_one_address_are_two_events_and_none_is_left_out() {
    let service = Service::start().await;
    let generation = service.generation().await;
    for number in 0..1_000 {
        let call = service.request(Method::GET, "/v1/workspaces").bearer(&format!("kwt_{number}"));
        call.send().await.is_problem(401, "unauthorized", None);
    }
    let [first] = told_at_last(&service, 1).await.try_into().unwrap();
    assert_eq!((&first["failures"], &first["since"]), (&json!(1), &json!("2026-01-01T00:00:00Z")));
    service.tell_waiting().await;
    assert_eq!(told(&service).await.len(), 1, "an address is told once a minute");
    service.pass_seconds(60);
    service.tell_waiting().await;
    let [_, rest] = told_at_last(&service, 2).await.try_into().unwrap();
    assert_eq!(rest["failures"], 999);
    assert_eq!(service.generation().await, generation, "nothing has changed");
}

#[tokio::test]
async fn what_is_shown_and_is_no_token_is_a_try_and_showing_nothing_is_none() {
    let service = Service::start().await;
    let mut tries = 0;
    for shown in ["", "Bearer", "Basic a3d0Og==", "Bearer other", "Bearer kwt_other"] {
        let call = service.request(Method::GET, "/v1/settings").header("authorization", shown);
        call.send().await.is_problem(401, "unauthorized", None);
        tries += 1;
    }
    let lane = service.request(Method::GET, "/v1/snapshot/head").bearer("not-the-edges-credential");
    lane.send().await.is_problem(401, "unauthorized", None);
    tries += 1;
    for path in ["/v1/settings", "/v1/snapshot/head"] {
        let nothing = service.request(Method::GET, path).without("authorization");
        nothing.send().await.is_problem(401, "unauthorized", None);
    }
    // Whose it is is known: it opens something else.
    let edge = service.request(Method::GET, "/v1/settings").bearer(EDGE_CREDENTIAL);
    edge.send().await.is_problem(403, "forbidden", None);
    told_at_last(&service, 1).await;
    service.pass_seconds(60);
    service.tell_waiting().await;
    let told = told_at_last(&service, 2).await;
    let failures: u64 = told.iter().map(|details| details["failures"].as_u64().unwrap()).sum();
    assert_eq!(failures, tries);
}

#[tokio::test]
async fn a_database_that_is_away_neither_delays_nor_changes_the_refusal() {
    let service = Service::start().await;
    let lock = service.lock_database().await;
    let began = Instant::now();
    let call = service.request(Method::GET, "/v1/workspaces").bearer("kwt_wrong");
    call.send().await.is_problem(401, "unauthorized", None);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    drop(lock);
    told_at_last(&service, 1).await;
}
