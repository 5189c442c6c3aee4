//! Keys that are brought, a line each.

mod refusals;
mod sending;

use std::slice::from_ref;

use axum::body::Body;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
async fn a_member_is_named_by_id_or_by_what_the_other_system_calls_them() {
    let service = Service::start().await;
    let (home, abroad) = (service.workspace("Acme").await, service.workspace("Other").await);
    let mut members = Vec::new();
    for (workspace, external_id) in [(&home, "hr-7"), (&abroad, "hr-7"), (&home, "twice"), (&home, "twice")] {
        let body = json!({ "name": "somebody", "role": "staff", "external_id": external_id });
        members.push(service.post(&format!("{workspace}/members"), body).await.is(201).text("id").to_owned());
    }
    let of = |workspace: &str, number: usize, member: &str| with(line(workspace, number), json!({ "member": member }));
    let lines = [
        of(&home, 1, "hr-7"),
        of(&abroad, 2, "hr-7"),
        of(&home, 3, &members[2]),
        of(&home, 4, "hr-8"),
        of(&home, 5, "twice"),
        of(&home, 6, &members[1]),
        line(&home, 7),
    ];
    let results = import(&service, &lines).await;
    let unknown = "invalid member";
    assert_eq!(outcomes(&results), ["created", "created", "created", unknown, unknown, unknown, "created"]);
    assert_eq!((&results[3]["fault"], &results[4]["fault"]), (&json!("unknown"), &json!("conflicting")));
    for (workspace, at, member) in [(&home, 0, &members[0]), (&abroad, 1, &members[1]), (&home, 2, &members[2])] {
        assert_eq!(key(&service, workspace, &results[at]).await["member"]["id"], json!(member));
    }
    assert_eq!(key(&service, &home, &results[6]).await["member"]["name"], "default");
    // Another line gives the key to another.
    assert_eq!(outcome(&service, of(&home, 1, &members[3])).await, "updated");
    assert_eq!(key(&service, &home, &results[0]).await["member"]["id"], json!(members[3]));
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
async fn a_dry_run_names_no_key_that_is_not_there() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let made = import(&service, &[line(&workspace, 1)]).await;
    let lines = [
        line(&workspace, 1),
        line(&workspace, 2),
        line(&workspace, 2),
        with(line(&workspace, 2), json!({ "name": "renamed" })),
        with(line(&workspace, 1), json!({ "name": "renamed, too" })),
    ];
    let dry = results(&send(&service, "?dry_run=true", text(&lines)).await);
    assert_eq!(outcomes(&dry), ["unchanged", "created", "unchanged", "updated", "updated"]);
    let told: Vec<&Value> = dry.iter().map(|result| &result["key_id"]).collect();
    let there = &made[0]["key_id"];
    assert_eq!(told, [there, &Value::Null, &Value::Null, &Value::Null, there]);
    let done = import(&service, &lines).await;
    assert!(done.iter().all(|result| result["key_id"].is_string()));
}

#[tokio::test]
async fn a_byte_order_mark_before_the_first_line_is_no_part_of_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let body = format!("\u{feff}{}\n\u{feff}{}\n", line(&workspace, 1), line(&workspace, 2));
    let results = results(&send(&service, "", body).await);
    assert_eq!(outcomes(&results), ["created", "bad_json -"]);
}
