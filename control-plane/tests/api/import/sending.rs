//! How an import is sent and answered: in batches, while lines come, once, or not at all.

use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::{NDJSON, PATH, import, line, outcome, outcomes, results, send, text, with};
use crate::service::Service;

#[tokio::test]
async fn a_line_is_bounded() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let long = with(line(&workspace, 1), json!({ "name": "x".repeat(65_536) }));
    let metadata = with(line(&workspace, 2), json!({ "metadata": { "k": "x".repeat(5_000) } }));
    let deep = format!("{{\"metadata\":{}", "[".repeat(60_000));
    let body = format!("{long}\n{metadata}\n{deep}\n{}", line(&workspace, 3));
    let results = results(&send(&service, "", body).await);
    assert_eq!(outcomes(&results), ["line_too_long -", "invalid metadata", "bad_json -", "created"]);
}

#[tokio::test]
async fn an_import_of_many_lines_is_many_transactions() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let lines: Vec<Value> = (0..2_500).map(|number| line(&workspace, number)).collect();
    let results = import(&service, &lines).await;
    let mut generations: Vec<u64> = results.iter().map(|result| result["generation"].as_u64().unwrap()).collect();
    assert!(generations.is_sorted());
    generations.dedup();
    assert_eq!(generations.len(), 3);
    assert!(results.iter().map(|result| result["line"].as_u64().unwrap()).eq(1..=2_500));
    let events = service.audit_events().await;
    assert!(outcomes(&import(&service, &lines).await).iter().all(|outcome| outcome == "unchanged"));
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn lines_are_answered_while_others_are_still_sent() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (first, second) = (line(&workspace, 1).to_string(), line(&workspace, 2).to_string());
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
    let body = stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((Ok::<_, std::io::Error>(piece), receiver))
    });
    // In the midst of the second line.
    let (begin, end) = second.split_at(20);
    sender.send(Bytes::from(format!("{first}\n{begin}"))).unwrap();
    let mut answer = service.request(Method::POST, PATH).raw(NDJSON, Body::from_stream(body)).open().await;
    let piece = answer.next().await.unwrap().unwrap();
    assert!(piece.starts_with(b"{\"line\":1,"));
    sender.send(Bytes::from(end.to_owned())).unwrap();
    drop(sender);
    let piece = answer.next().await.unwrap().unwrap();
    assert!(piece.starts_with(b"{\"line\":2,"));
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn an_import_that_broke_off_is_run_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let lines: Vec<Value> = (0..1_500).map(|number| line(&workspace, number)).collect();
    let cut = text(&lines[..1_200]);
    let cut = cut[..cut.len() - 10].to_owned();
    let pieces = vec![Ok(Bytes::from(cut)), Err(std::io::Error::other("the client is gone"))];
    let broken = service.request(Method::POST, PATH).raw(NDJSON, Body::from_stream(stream::iter(pieces)));
    let answered: Vec<_> = broken.open().await.collect().await;
    assert!(answered.last().unwrap().is_err(), "a whole answer to a part of a request");
    let results = import(&service, &lines).await;
    let told = outcomes(&results);
    assert!(told.iter().all(|told| told == "created" || told == "unchanged"));
    assert_eq!(told.iter().filter(|told| *told == "unchanged").count(), 1_199);
}

#[tokio::test]
async fn an_import_with_an_idempotency_key_happens_once() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let lines: Vec<Value> = (1..=1_000).map(|number| line(&workspace, number)).collect();
    let ask = async |lines: &[Value]| {
        let call = service.request(Method::POST, PATH).raw(NDJSON, text(lines));
        call.header("idempotency-key", "import-1").send().await
    };
    let first = ask(&lines).await;
    assert!(outcomes(&results(&first)).iter().all(|outcome| outcome == "created"));
    let events = service.audit_events().await;
    let second = ask(&lines).await;
    assert!(first.bytes == second.bytes);
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(second.header("content-type"), NDJSON);
    assert_eq!(service.audit_events().await, events);
    ask(&lines[..1]).await.is_problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    let more: Vec<Value> = (0..1_001).map(|_| json!({})).collect();
    ask(&more).await.is_problem(400, "bad_header", Some("Idempotency-Key"));
    let long = [json!("x".repeat(300_000))];
    ask(&long).await.is_problem(400, "bad_header", Some("Idempotency-Key"));
}

#[tokio::test]
async fn an_import_is_an_operators_and_asked_for_as_such() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let ask = || service.request(Method::POST, PATH).raw(NDJSON, text(&[line(&workspace, 1)]));
    for role in ["owner", "lite"] {
        let (member, token) = service.somebody(&workspace, role).await;
        ask().bearer(&token).send().await.is_problem(403, "forbidden", None);
        ask().header("keyward-on-behalf-of", &member).send().await.is_problem(403, "forbidden", None);
    }
    let narrow = service.token(None, &["keys:write"]).await;
    ask().bearer(&narrow).send().await.is_problem(403, "forbidden", None);
    ask().without("authorization").send().await.is_problem(401, "unauthorized", None);
    ask().header("content-type", "application/json").send().await.is_problem(415, "unsupported_media_type", None);
    ask().header("if-match", "*").send().await.is_problem(412, "precondition_failed", None);
    send(&service, "?dry_run=yes", "").await.is_problem(400, "bad_parameter", Some("dry_run"));
    send(&service, "?dryrun=true", "").await.is_problem(400, "unknown_parameter", Some("dryrun"));
    send(&service, "?reason=", "").await.is_problem(422, "invalid", Some("reason"));
    let events = service.audit_events().await;
    assert!(results(&send(&service, "", "\n\n").await).is_empty());
    assert_eq!(service.audit_events().await, events);
    let scoped = service.token(None, &["deployment"]).await;
    assert_eq!(ask().bearer(&scoped).send().await.status, 200);
    assert_eq!(service.audit_events().await, events + 2);
    send(&service, "?reason=moving%20house", text(&[line(&workspace, 2)])).await;
    let (action, entity, reason, request) = service.last_event().await;
    assert_eq!((action.as_str(), entity.as_str(), reason.as_deref()), ("Create", "API Keys", Some("moving house")));
    assert!(request.starts_with("req_"));
}

#[tokio::test]
async fn a_batch_that_the_database_does_not_take_is_refused_and_can_be_sent_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let locked = service.lock_database().await;
    assert_eq!(outcome(&service, line(&workspace, 1)).await, "unavailable -");
    drop(locked);
    assert_eq!(outcome(&service, line(&workspace, 1)).await, "created");
}
