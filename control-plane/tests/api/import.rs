//! Keys that are brought, a line each.

use std::slice::from_ref;

use axum::body::{Body, Bytes};
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::service::{Reply, Service};

const PATH: &str = "/v1/keys/import";
const NDJSON: &str = "application/x-ndjson";

/// A line that is right, for a secret of its own.
fn line(workspace: &str, number: usize) -> Value {
    json!({
        "external_id": number.to_string(),
        "workspace": workspace.rsplit('/').next(),
        "name": format!("key {number}"),
        "access": "read-write",
        "apis": ["*"],
        "sha256": hex::encode(Sha256::digest(format!("secret {number}"))),
    })
}

/// The same with other members.
fn with(mut line: Value, members: Value) -> Value {
    if let (Some(line), Value::Object(members)) = (line.as_object_mut(), members) {
        line.extend(members);
    }
    line
}

fn without(mut line: Value, member: &str) -> Value {
    line.as_object_mut().unwrap().remove(member);
    line
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
}

async fn send(service: &Service, query: &str, body: impl Into<Body>) -> Reply {
    service.request(Method::POST, &format!("{PATH}{query}")).raw(NDJSON, body).send().await
}

fn results(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("content-type"), NDJSON);
    let text = std::str::from_utf8(&reply.bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn import(service: &Service, lines: &[Value]) -> Vec<Value> {
    results(&send(service, "", text(lines)).await)
}

/// What became of one line: `created`, or why it was refused and where.
async fn outcome(service: &Service, line: Value) -> String {
    let results = import(service, &[line]).await;
    told(&results[0])
}

fn told(result: &Value) -> String {
    match (result["outcome"].as_str().unwrap(), result["code"].as_str()) {
        ("refused", Some(code)) => format!("{code} {}", result["field"].as_str().unwrap_or("-")),
        (outcome, _) => outcome.to_owned(),
    }
}

fn outcomes(results: &[Value]) -> Vec<String> {
    results.iter().map(told).collect()
}

async fn key(service: &Service, workspace: &str, result: &Value) -> Value {
    let id = result["key_id"].as_str().unwrap();
    service.get(&format!("{workspace}/keys/{id}")).await.is(200).body
}

#[tokio::test]
async fn every_field_of_a_line_is_the_keys() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let member = service.member(&workspace, "staff").await;
    let restrictions = json!({ "ips": ["10.0.0.0/8"], "referrers": [], "apps": [] });
    let full = with(
        without(line(&workspace, 1), "sha256"),
        json!({
            "member": member, "status": "disabled", "created_at": "2020-01-31T12:00:00+01:00",
            "expires_at": "2030-01-31T12:00:00Z", "restrictions": restrictions, "metadata": { "plan": "gold" },
            "secret": "sk_live_0123456789abcdef",
        }),
    );
    let results = import(&service, &[full]).await;
    assert_eq!((results[0]["line"].as_u64(), results[0]["external_id"].as_str()), (Some(1), Some("1")));
    assert_eq!((&results[0]["outcome"], results[0]["warnings"].is_null()), (&json!("created"), true));
    let key = key(&service, &workspace, &results[0]).await;
    for (field, value) in [
        ("name", json!("key 1")),
        ("access", json!("read-write")),
        ("apis", json!(["*"])),
        ("status", json!("disabled")),
        ("created_at", json!("2020-01-31T11:00:00Z")),
        ("expires_at", json!("2030-01-31T12:00:00Z")),
        ("restrictions", restrictions),
        ("metadata", json!({ "plan": "gold" })),
        ("external_id", json!("1")),
        ("hint", json!("…cdef")),
        ("version", json!(1)),
    ] {
        assert_eq!(key[field], value, "{field}");
    }
    assert_eq!(key["member"]["id"], json!(member));
}

#[tokio::test]
async fn lines_are_over_workspaces_by_id_or_slug() {
    let service = Service::start().await;
    let (one, other) = (service.workspace("One").await, service.workspace("Other").await);
    let lines = [line(&one, 1), with(line("other", 2), json!({})), line("nowhere", 3), line("ws_00000000001", 4)];
    let results = import(&service, &lines).await;
    assert_eq!(outcomes(&results), ["created", "created", "invalid workspace", "invalid workspace"]);
    assert_eq!(key(&service, &other, &results[1]).await["name"], "key 2");
    let generation = results[0]["generation"].as_u64().unwrap();
    let next = service.patch(&one, json!({ "name": "One!" })).await;
    assert_eq!(next.body["generation"], generation + 1, "one batch is one generation");
}

#[tokio::test]
async fn a_digest_is_hexadecimal_or_base64_and_a_secret_is_its_digest() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let secret = "a-secret-of-an-older-system";
    let digest = Sha256::digest(secret);
    let hexadecimal = with(line(&workspace, 1), json!({ "sha256": hex::encode(digest) }));
    assert_eq!(outcome(&service, hexadecimal.clone()).await, "created");
    let base64 = with(line(&workspace, 1), json!({ "sha256": STANDARD.encode(digest) }));
    assert_eq!(outcome(&service, base64).await, "unchanged");
    let clear = with(without(line(&workspace, 1), "sha256"), json!({ "secret": secret }));
    assert_eq!(outcome(&service, clear).await, "unchanged");
    for (wrong, told) in [
        (json!({ "sha256": "5e" }), "invalid sha256"),
        (json!({ "sha256": hex::encode(digest), "secret": secret }), "invalid sha256"),
        (json!({ "sha256": null }), "invalid secret"),
    ] {
        assert_eq!(outcome(&service, with(hexadecimal.clone(), wrong)).await, told);
    }
    let short = with(without(line(&workspace, 2), "sha256"), json!({ "secret": "0123456789abcde" }));
    assert_eq!(outcome(&service, short).await, "invalid secret");
}

#[tokio::test]
async fn what_is_there_is_updated_where_a_line_says_otherwise() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let first = with(line(&workspace, 1), json!({ "expires_at": "2030-01-31T12:00:00Z" }));
    let made = import(&service, from_ref(&first)).await;
    let events = service.audit_events().await;
    let again = import(&service, from_ref(&first)).await;
    assert_eq!((told(&again[0]), &again[0]["key_id"]), ("unchanged".to_owned(), &made[0]["key_id"]));
    assert!(again[0]["generation"].is_null());
    assert_eq!(service.audit_events().await, events, "nothing happened");
    let absent = line(&workspace, 1);
    assert_eq!(outcome(&service, absent).await, "unchanged");
    let changes = [
        json!({ "name": "renamed" }),
        json!({ "access": "read-only" }),
        json!({ "status": "disabled" }),
        json!({ "expires_at": null }),
        json!({ "metadata": { "a": 1 } }),
        json!({ "restrictions": { "ips": ["10.0.0.1"] } }),
    ];
    let mut line = first;
    for change in changes {
        line = with(line, change.clone());
        let results = import(&service, from_ref(&line)).await;
        assert_eq!(told(&results[0]), "updated", "{change}");
        assert!(results[0]["generation"].is_u64());
        assert_eq!(outcome(&service, line.clone()).await, "unchanged", "{change}");
    }
    let key = key(&service, &workspace, &made[0]).await;
    assert_eq!((&key["name"], &key["version"], &key["expires_at"]), (&json!("renamed"), &json!(7), &Value::Null));
    let moved = with(line, json!({ "created_at": "2020-01-31T12:00:00Z" }));
    assert_eq!(outcome(&service, moved).await, "invalid created_at");
}

#[tokio::test]
async fn a_refused_line_leaves_the_others_alone() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let good = line(&workspace, 1).to_string();
    let late = line(&workspace, 2).to_string();
    let body = format!(
        "{good}\n\n{{\n[]\n{{\"external_id\":\"x\"}}\n{}\n{}\n\u{0}\n{late}",
        with(line(&workspace, 3), json!({ "nmae": 1 })),
        with(line(&workspace, 4), json!({ "restrictions": { "ips": ["x"] } })),
    );
    let results = results(&send(&service, "", body).await);
    let lines: Vec<u64> = results.iter().map(|result| result["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [1, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(
        outcomes(&results),
        [
            "created",
            "bad_json -",
            "invalid -",
            "invalid workspace",
            "invalid nmae",
            "invalid restrictions.ips[0]",
            "bad_json -",
            "created",
        ]
    );
    assert_eq!(results[3]["external_id"], "x");
    assert_eq!(results[3]["fault"], "missing");
}

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
async fn a_secret_is_never_told_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let secret = "very-secret-0123456789";
    let base = without(line(&workspace, 1), "sha256");
    let lines = [
        with(base.clone(), json!({ "secret": secret })),
        with(base.clone(), json!({ "secret": [secret] })),
        with(base.clone(), json!({ "secret": format!("{secret} ") })),
        with(base.clone(), json!({ "secret": secret, "sha256": secret })),
        with(base, json!({ "access": secret, "secret": secret })),
    ];
    let reply = send(&service, "", text(&lines)).await;
    assert_eq!(results(&reply).len(), 5);
    assert!(!String::from_utf8(reply.bytes).unwrap().contains("very-secret"));
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    import(&service, &[line(&workspace, 1), line(&workspace, 2)]).await;
    let events = service.audit_events().await;
    let lines = [
        line(&workspace, 1),
        with(line(&workspace, 2), json!({ "name": "other" })),
        line(&workspace, 3),
        with(line(&workspace, 4), json!({ "name": "key 3" })),
    ];
    let dry = results(&send(&service, "?dry_run=true", text(&lines)).await);
    assert_eq!(outcomes(&dry), ["unchanged", "updated", "created", "name_taken name"]);
    assert!(dry.iter().all(|result| result["generation"].is_null()));
    assert!(dry[2]["key_id"].is_null(), "a made-up identifier");
    assert_eq!(service.audit_events().await, events);
    assert_eq!(service.get(&format!("{workspace}/keys")).await.body["items"].as_array().unwrap().len(), 2);
    assert_eq!(outcomes(&import(&service, &lines).await), outcomes(&dry));
}

#[tokio::test]
async fn lines_of_one_batch_see_each_other() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let lines = [
        line(&workspace, 1),
        // The same key once more, then otherwise.
        line(&workspace, 1),
        with(line(&workspace, 1), json!({ "name": "renamed" })),
        // The name is free again, the secret is not.
        with(line(&workspace, 2), json!({ "name": "key 1" })),
        with(line(&workspace, 3), json!({ "sha256": line(&workspace, 2)["sha256"] })),
        with(line(&workspace, 4), json!({ "name": "renamed" })),
        with(line(&workspace, 2), json!({ "name": "key 2", "status": "disabled" })),
    ];
    let results = import(&service, &lines).await;
    let wanted = ["created", "unchanged", "updated", "created", "secret_exists sha256", "name_taken name", "updated"];
    assert_eq!(outcomes(&results), wanted);
    let key = key(&service, &workspace, &results[6]).await;
    assert_eq!((&key["name"], &key["status"], &key["version"]), (&json!("key 2"), &json!("disabled"), &json!(2)));
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
async fn a_secret_with_wrong_check_digits_is_refused_while_they_are_enforced() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let line =
        with(without(line(&workspace, 1), "sha256"), json!({ "secret": "kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7M" }));
    assert_eq!(outcome(&service, line.clone()).await, "check_digits secret");
    service.patch("/v1/settings", json!({ "check_digits": "off" })).await.is(200);
    assert_eq!(outcome(&service, line).await, "created");
}

#[tokio::test]
async fn a_short_secret_is_warned_of() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let base = without(line(&workspace, 1), "sha256");
    let short = with(base.clone(), json!({ "secret": "hunter2-hunter2-hunte" }));
    let long = with(base, json!({ "secret": "hunter2-hunter2-hunter", "external_id": "2", "name": "2" }));
    let results = import(&service, &[short, long]).await;
    assert_eq!(results[0]["warnings"], json!(["short_secret"]));
    assert!(results[1]["warnings"].is_null());
}

#[tokio::test]
async fn nobody_is_brought_a_key_that_they_may_not_have() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let reader = service.member(&workspace, "read-only").await;
    let lite = service.member(&workspace, "lite").await;
    let staff = service.member(&workspace, "staff").await;
    let of = |number: usize, member: &str, access: &str| {
        with(line(&workspace, number), json!({"member": member, "access": access}))
    };
    let results = import(
        &service,
        &[
            of(1, &reader, "read-write"),
            of(2, &reader, "read-only"),
            of(3, &lite, "read-only"),
            of(4, &staff, "read-write"),
            of(2, &reader, "read-write"),
            of(4, &reader, "read-write"),
            of(2, "mem_00000000001", "read-only"),
        ],
    )
    .await;
    let refused = "invalid access";
    let wanted = [refused, "created", refused, "created", refused, refused, "invalid member"];
    assert_eq!(outcomes(&results), wanted);
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    // The key stays as it was; it only gets no more than it has.
    assert_eq!(outcome(&service, with(of(4, &staff, "read-write"), json!({ "name": "renamed" }))).await, "updated");
    assert_eq!(outcome(&service, of(5, &staff, "read-write")).await, refused);
}

#[tokio::test]
async fn a_workspaces_limit_holds() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    service.patch(&workspace, json!({ "max_keys": 2 })).await.is(200);
    let lines: Vec<Value> = (1..=3).map(|number| line(&workspace, number)).collect();
    assert_eq!(outcomes(&import(&service, &lines).await), ["created", "created", "key_limit -"]);
    assert_eq!(outcomes(&import(&service, &lines).await), ["unchanged", "unchanged", "key_limit -"]);
}

#[tokio::test]
async fn which_key_is_meant_is_clear_or_it_is_refused() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let made = import(&service, &[line(&workspace, 1)]).await;
    let other = with(line(&workspace, 1), json!({ "sha256": "5e".repeat(32) }));
    assert_eq!(outcome(&service, other.clone()).await, "secret_differs sha256");
    let path = format!("{workspace}/keys/{}", made[0]["key_id"].as_str().unwrap());
    service.post(&format!("{path}/archive"), json!({})).await.is(200);
    assert_eq!(outcome(&service, line(&workspace, 1)).await, "key_archived -");
    for name in ["one", "two"] {
        let body = json!({ "name": name, "access": "read-only", "apis": ["*"], "external_id": "1" });
        service.post(&format!("{workspace}/keys"), body).await.is(201);
    }
    assert_eq!(outcome(&service, other).await, "ambiguous external_id");
    service.delete(&path).await.is(200);
    assert_eq!(
        outcome(&service, with(line(&workspace, 1), json!({ "external_id": "2" }))).await,
        "secret_exists sha256"
    );
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
