//! `Idempotency-Key`.

use axum::http::Method;
use serde_json::{Value, json};

use crate::mutations::{self, Mutation};
use crate::service::{Reply, Service};

async fn create(service: &Service, workspace: &str, idempotency_key: &str, body: &Value) -> Reply {
    service
        .request(Method::POST, &format!("{workspace}/keys"))
        .header("idempotency-key", idempotency_key)
        .json(body)
        .send()
        .await
}

fn body(name: &str) -> Value {
    json!({ "name": name, "access": "read-only", "apis": ["*"] })
}

#[tokio::test]
async fn the_same_request_gives_the_same_answer_and_no_second_effect() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let first = create(&service, &workspace, "a", &body("one")).await.is(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    let events = service.audit_events().await;

    let second = create(&service, &workspace, "a", &body("one")).await.is(201);
    assert_eq!(second.bytes, first.bytes);
    assert_eq!(second.header("etag"), first.header("etag"));
    assert_eq!(second.header("location"), first.header("location"));
    assert_eq!(second.header("cache-control"), "no-store");
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn the_answer_survives_a_restart_for_a_day() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let first = create(&service, &workspace, "a", &body("one")).await.is(201);
    let service = service.restarted().await;
    service.pass_seconds(86_399);
    let second = create(&service, &workspace, "a", &body("one")).await.is(201);
    assert_eq!(second.bytes, first.bytes);

    service.pass_seconds(1);
    let third = create(&service, &workspace, "a", &body("one")).await;
    third.is_problem(409, "name_taken", Some("name"));
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    create(&service, &workspace, "a", &body("one")).await.is(201);
    let refused = create(&service, &workspace, "a", &body("two")).await;
    refused.is_problem(422, "idempotency_key_reused", Some("Idempotency-Key"));

    let refused = service
        .request(Method::PATCH, &workspace)
        .header("idempotency-key", "a")
        .json(&json!({ "name": "Other" }))
        .send()
        .await;
    refused.is_problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
}

#[tokio::test]
async fn a_refusal_is_not_kept() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let taken = service.key(&workspace, "one").await;
    let refused = create(&service, &workspace, "a", &body("one")).await;
    refused.is_problem(409, "name_taken", Some("name"));
    service.delete(&taken).await.is(200);
    create(&service, &workspace, "a", &body("one")).await.is(201);
}

#[tokio::test]
async fn of_many_at_once_one_has_an_effect() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let body = body("one");
    let calls = (0..8).map(|_| create(&service, &workspace, "a", &body));
    let replies = futures_join(calls).await;
    let mut answers = replies.iter().filter(|reply| reply.status == 201);
    let first = answers.next().expect("one is answered");
    assert!(answers.all(|other| other.bytes == first.bytes));
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        reply.is_problem(409, "idempotency_in_progress", Some("Idempotency-Key"));
        assert_eq!(reply.header("retry-after"), "2");
    }
    let list = service.get(&format!("{workspace}/keys")).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_malformed_key_is_refused() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for wrong in ["", "a b", "é", &"a".repeat(256)] {
        let refused = create(&service, &workspace, wrong, &body("one")).await;
        refused.is_problem(400, "bad_header", Some("Idempotency-Key"));
    }
    create(&service, &workspace, &"a".repeat(255), &body("one")).await.is(201);
}

#[tokio::test]
async fn every_mutation_is_idempotent() {
    let service = Service::start().await;
    for (index, Mutation { method, path, body }) in mutations::all(&service).await.into_iter().enumerate() {
        let call = || {
            service
                .request(method.clone(), &path)
                .header("idempotency-key", &format!("call-{index}"))
                .json(&body)
                .send()
        };
        let first = call().await;
        assert!(first.status.is_success(), "{method} {path}: {}", first.body);
        assert!(first.body["generation"].is_u64(), "{method} {path}");
        let second = call().await;
        assert_eq!(second.header("idempotency-replayed"), "true", "{method} {path}");
        assert_eq!(second.bytes, first.bytes, "{method} {path}");
    }
}

/// Runs all of them at once on this task.
async fn futures_join<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in running.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
