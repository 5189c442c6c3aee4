//! `POST /v1/explain`.

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::Digest;
use serde_json::{Value, json};

use crate::service::{Reply, Service};

fn basic(user_pass: &str) -> String {
    format!("Basic {}", STANDARD.encode(user_pass))
}

/// A key with these members beside the usual ones: its path and its secret.
async fn key(service: &Service, workspace: &str, members: Value) -> (String, String) {
    let name = format!("key {}", service.audit_events().await);
    let mut body = json!({ "name": name, "access": "read-write", "apis": ["*"] });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    (made.header("location").to_owned(), made.text("secret").to_owned())
}

async fn explain(service: &Service, body: Value) -> Reply {
    service.post("/v1/explain", body).await
}

/// The explanation of a GET of `/v1/data` with a key as user.
async fn of_key(service: &Service, secret: &str) -> Reply {
    explain(service, json!({ "authorization": basic(&format!("{secret}:")), "path": "/v1/data" })).await.is(200)
}

/// Verdict, code and reason.
#[track_caller]
fn is(reply: &Reply, verdict: &str, code: Option<&str>, reason: &str) {
    assert_eq!(
        (reply.text("verdict"), reply.body["code"].as_str(), reply.text("reason")),
        (verdict, code, reason),
        "{}",
        reply.body
    );
    assert!(reply.text("explanation").ends_with('.'), "{}", reply.body);
}

#[tokio::test]
async fn a_key_that_may_is_said_to_be_usable() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (path, secret) = key(&service, &workspace, json!({})).await;
    let told = of_key(&service, &secret).await;
    is(&told, "allow", None, "usable");
    assert_eq!((&told.body["status"], told.text("slot")), (&Value::Null, "current"));
    assert_eq!(told.body["key"], service.get(&path).await.body);
    assert_eq!(told.text("at"), "2026-01-01T00:00:00Z");
    assert_eq!(told.header("cache-control"), "no-store");
    let slug = service.get(&workspace).await.text("slug").to_owned();
    let id = path.rsplit('/').next().unwrap();
    for user_pass in
        [format!("{secret}:{secret}"), format!(":{secret}"), format!("{slug}:{secret}"), format!("{id}:{secret}")]
    {
        let told = explain(&service, json!({ "authorization": basic(&user_pass), "path": "/v1/ping?x=1" })).await;
        is(&told.is(200), "allow", None, "usable");
    }
    let wrong = explain(&service, json!({ "authorization": basic(&format!("other:{secret}")), "path": "/" })).await;
    is(&wrong.is(200), "deny", Some("unauthorized"), "wrong_user");
}

#[tokio::test]
async fn every_state_of_a_key_is_told_apart() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let deny = Some("unauthorized");
    let (path, first) = key(&service, &workspace, json!({ "expires_at": "2026-01-01T10:00:00Z" })).await;
    let rotate = async |grace: u32| service.post(&format!("{path}/rotate"), json!({ "grace_seconds": grace })).await;
    let act = async |verb: &str| drop(service.post(&format!("{path}/{verb}"), json!({})).await.is(200));

    let second = rotate(3600).await.is(200).text("secret").to_owned();
    let told = of_key(&service, &first).await;
    is(&told, "allow", None, "usable");
    assert_eq!(told.text("slot"), "retiring");
    act("rotation/pause").await;
    is(&of_key(&service, &first).await, "deny", deny, "paused");
    is(&of_key(&service, &second).await, "allow", None, "usable");
    act("rotation/resume").await;
    service.pass_seconds(3600);
    let told = of_key(&service, &first).await;
    is(&told, "deny", deny, "retired");
    assert_eq!((&told.body["status"], told.text("slot")), (&json!(401), "ended"));
    let third = rotate(0).await.is(200).text("secret").to_owned();
    is(&of_key(&service, &second).await, "deny", deny, "retired");

    act("disable").await;
    is(&of_key(&service, &third).await, "deny", deny, "disabled");
    act("enable").await;
    service.patch(&workspace, json!({ "status": "suspended" })).await.is(200);
    is(&of_key(&service, &third).await, "deny", deny, "suspended");
    service.patch(&workspace, json!({ "status": "active" })).await.is(200);
    service.pass_seconds(10 * 3600);
    let told = of_key(&service, &third).await;
    is(&told, "deny", deny, "expired");
    assert!(told.text("explanation").contains("2026-01-01T10:00:00Z"));
    act("archive").await;
    is(&of_key(&service, &third).await, "deny", deny, "archived");
    service.delete(&path).await.is(200);
    let told = of_key(&service, &third).await;
    is(&told, "deny", deny, "deleted");
    assert!(path.ends_with(told.body["key"]["id"].as_str().unwrap()));

    let told = of_key(&service, "nobody-ever-had-this-secret").await;
    is(&told, "deny", deny, "unknown");
    assert_eq!(
        (&told.body["key"], &told.body["slot"], &told.body["changes"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
}

#[tokio::test]
async fn what_a_usable_key_may_not_do_is_told() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for (name, routes) in [
        ("data", json!([{ "path_prefix": "/v1/data" }])),
        ("push", json!([{ "path_prefix": "/v1/push" }])),
        ("open", json!([{ "path_prefix": "/open", "access": "public" }])),
    ] {
        service.put(&format!("/v1/apis/{name}"), json!({ "routes": routes })).await.is(201);
    }
    let (_, reads) = key(&service, &workspace, json!({ "access": "read-only", "apis": ["data"] })).await;
    let restrictions = json!({ "ips": ["203.0.113.0/24"], "referrers": ["example.com"] });
    let (_, bound) = key(&service, &workspace, json!({ "restrictions": restrictions })).await;
    let app = json!({ "platform": "ios", "bundle": "com.example" });
    let (_, in_app) = key(&service, &workspace, json!({ "restrictions": { "apps": [app] } })).await;
    let ask = async |secret: &str, members: Value| {
        let mut body = json!({ "authorization": basic(&format!("{secret}:")), "path": "/v1/data" });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        explain(&service, body).await.is(200)
    };
    is(&ask(&reads, json!({})).await, "allow", None, "usable");
    let told = ask(&reads, json!({ "method": "POST" })).await;
    is(&told, "deny", Some("read_only_key"), "read_only_key");
    assert_eq!(told.body["status"], 403);
    let told = ask(&reads, json!({ "path": "/v1/push" })).await;
    is(&told, "deny", Some("api_not_granted"), "api_not_granted");
    assert!(told.text("explanation").contains("`push`"), "{}", told.body);
    let told = ask(&reads, json!({ "path": "/elsewhere" })).await;
    is(&told, "deny", Some("api_not_granted"), "api_not_granted");
    assert!(told.text("explanation").contains("`*`"), "{}", told.body);
    is(&ask(&reads, json!({ "path": "/v1//data" })).await, "deny", Some("bad_path"), "bad_path");
    is(&ask("not a key", json!({ "path": "/open/x" })).await, "allow", None, "public");
    is(&ask(&reads, json!({ "method": "OPTIONS", "preflight": true })).await, "allow", None, "public");

    let here = json!({ "ip": "203.0.113.7", "referrer": "https://example.com/x" });
    is(&ask(&bound, here).await, "allow", None, "usable");
    let told = ask(&bound, json!({ "ip": "198.51.100.7" })).await;
    is(&told, "deny", Some("restricted"), "restricted");
    assert!(
        told.text("explanation").contains("certain addresses, and to certain referrers (none is given)"),
        "{}",
        told.body
    );
    is(&ask(&in_app, json!({})).await, "deny", Some("restricted"), "restricted");
    is(&ask(&in_app, json!({ "app": app })).await, "allow", None, "usable");
}

#[tokio::test]
async fn a_credential_that_never_reached_a_fingerprint_is_explained_as_such() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (path, secret) = key(&service, &workspace, json!({})).await;
    let id = path.rsplit('/').next().unwrap();
    let right = basic(&format!("{secret}:"));
    let token = right.strip_prefix("Basic ").unwrap();
    let mut mistyped = secret.clone();
    let last = mistyped.pop().unwrap();
    mistyped.push(if last == 'a' { 'b' } else { 'a' });
    // What was sent, why it is refused, and whether the key is found all the same.
    for (authorization, reason, is_found) in [
        (None, "no_credentials", false),
        (Some(basic(&format!("{secret}\n"))), "trailing_newline", true),
        (Some(basic(&format!("{secret}:\n"))), "trailing_newline", true),
        (Some(basic(&secret)), "no_colon", true),
        (Some(basic(&format!(" {secret}:"))), "white_space", true),
        (Some(basic(&format!("\"{secret}\":"))), "quotes", true),
        (Some(format!("Bearer {secret}")), "bearer_scheme", true),
        (Some(token.to_owned()), "no_scheme", true),
        (Some(format!("Basic {secret}:")), "not_encoded", true),
        (Some(format!("Authorization: {right}")), "header_name", true),
        (Some(basic(token)), "encoded_twice", true),
        (Some(format!("Digest {secret}")), "scheme", false),
        (Some(basic(&format!("{mistyped}:"))), "check_digits", false),
        (Some(basic(&mistyped)), "no_colon", false),
        (Some(basic("short:")), "no_key", false),
        (Some("x".repeat(5_000)), "too_long", false),
    ] {
        let told = explain(&service, json!({ "authorization": authorization, "path": "/v1/data" })).await.is(200);
        is(&told, "deny", Some("unauthorized"), reason);
        assert_eq!(told.body["key"]["id"].as_str(), is_found.then_some(id), "{reason}");
    }
    // White space around a header's value is not part of it.
    let told = explain(&service, json!({ "authorization": format!("  {right}\n"), "path": "/v1/data" })).await;
    is(&told.is(200), "allow", None, "usable");
}

#[tokio::test]
async fn other_forms_of_credentials_are_judged_as_the_settings_say() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, secret) = key(&service, &workspace, json!({})).await;
    let bearer = json!({ "authorization": format!("Bearer {secret}"), "path": "/" });
    let header = json!({ "key_header": secret, "path": "/" });
    is(&explain(&service, header.clone()).await.is(200), "deny", Some("unauthorized"), "no_credentials");
    let accept = json!({ "accept": ["basic", "bearer", "header:X-Api-Key"] });
    service.patch("/v1/settings", accept).await.is(200);
    is(&explain(&service, bearer).await.is(200), "allow", None, "usable");
    is(&explain(&service, header).await.is(200), "allow", None, "usable");
    let quoted = json!({ "key_header": format!("'{secret}'"), "path": "/" });
    is(&explain(&service, quoted).await.is(200), "deny", Some("unauthorized"), "quotes");
    let both = json!({ "authorization": format!("Bearer {secret}"), "key_header": secret, "path": "/" });
    is(&explain(&service, both).await.is(200), "deny", Some("unauthorized"), "several_credentials");
}

#[tokio::test]
async fn who_changed_what_and_when_is_told() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (path, secret) = key(&service, &workspace, json!({})).await;
    service.pass_seconds(60);
    service.post(&format!("{path}/disable"), json!({ "reason": "leaked" })).await.is(200);
    service.patch(&workspace, json!({ "name": "renamed" })).await.is(200);
    service.patch(&workspace, json!({ "slug": "another" })).await.is(200);
    let suspended = service.patch(&workspace, json!({ "status": "suspended" })).await.is(200);
    let told = of_key(&service, &secret).await;
    is(&told, "deny", Some("unauthorized"), "suspended");
    let changes = told.body["changes"].as_array().unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| format!("{} {}", change["entity"].as_str().unwrap(), change["operation"].as_str().unwrap()))
        .collect();
    assert_eq!(told, ["Workspaces suspend", "Workspaces edit", "API Keys disable", "API Keys create"]);
    assert_eq!(changes[0]["generation"], suspended.body["generation"]);
    let disabled = &changes[2];
    assert_eq!(
        (&disabled["at"], &disabled["reason"], &disabled["action"]),
        (&json!("2026-01-01T00:01:00Z"), &json!("leaked"), &json!("Disable"))
    );
    assert_eq!((&disabled["actor"]["kind"], &disabled["actor"]["name"]), (&json!("operator"), &json!("operator")));
    for _ in 0..12 {
        service.post(&format!("{path}/enable"), json!({})).await.is(200);
    }
    // The last ones of the key, and what stopped it all the same.
    let told = of_key(&service, &secret).await;
    let changes = told.body["changes"].as_array().unwrap();
    assert_eq!(changes.iter().filter(|change| change["entity"] == "API Keys").count(), 10);
    let of_workspace: Vec<_> = changes.iter().filter(|change| change["entity"] == "Workspaces").collect();
    assert_eq!(of_workspace.len(), 2);
    assert_eq!(of_workspace[0]["operation"], "suspend");
    assert!(changes.is_sorted_by_key(|change| std::cmp::Reverse(change["seq"].as_u64())));

    // Who may not read the audit log is not told of it here either.
    let narrowed = service.token(None, &["keys:read"]).await;
    let body = json!({ "authorization": basic(&format!("{secret}:")), "path": "/" });
    let told = service.request(Method::POST, "/v1/explain").bearer(&narrowed).json(&body).send().await.is(200);
    assert_eq!(told.body["changes"], Value::Null);
    assert_eq!(told.text("reason"), "suspended");
}

#[tokio::test]
async fn deadlines_are_judged_at_the_time_that_is_named() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, secret) = key(&service, &workspace, json!({ "expires_at": "2026-01-01T01:00:00Z" })).await;
    let ask = async |at: &str| {
        let body = json!({ "authorization": basic(&format!("{secret}:")), "path": "/v1/data", "at": at });
        explain(&service, body).await
    };
    is(&ask("2026-01-01T00:59:59.999Z").await.is(200), "allow", None, "usable");
    let told = ask("2026-01-01T02:00:00+01:00").await.is(200);
    is(&told, "deny", Some("unauthorized"), "expired");
    assert_eq!((told.text("at"), &told.body["key"]["status"]), ("2026-01-01T01:00:00Z", &json!("expired")));
    ask("1969-12-31T23:59:59Z").await.is_problem(422, "invalid", Some("at"));
    ask("yesterday").await.is_problem(422, "invalid", Some("at"));
}

#[tokio::test]
async fn members_are_told_of_their_own_workspaces_keys_only() {
    let service = Service::start().await;
    let (own, other) = (service.workspace("Acme").await, service.workspace("Other").await);
    let (_, secret) = key(&service, &own, json!({})).await;
    let (_, foreign) = key(&service, &other, json!({})).await;
    let ask = async |token: &str, authorization: String| {
        let body = json!({ "authorization": authorization, "path": "/v1/data" });
        service.request(Method::POST, "/v1/explain").bearer(token).json(&body).send().await
    };
    let (_, admin) = service.somebody(&own, "admin").await;
    is(&ask(&admin, basic(&format!("{secret}:"))).await.is(200), "allow", None, "usable");
    let told = ask(&admin, basic(&format!("{foreign}:"))).await.is(200);
    let nobody = ask(&admin, basic("nobody-ever-had-this-secret:")).await.is(200);
    assert_eq!(told.body, nobody.body);
    let told = ask(&admin, basic(&foreign)).await.is(200);
    assert_eq!((told.text("reason"), &told.body["key"]), ("no_colon", &Value::Null));
    for role in ["staff", "read-only", "lite"] {
        let (_, token) = service.somebody(&own, role).await;
        ask(&token, basic(&format!("{secret}:"))).await.is_problem(403, "forbidden", None);
    }
}

#[tokio::test]
async fn nothing_of_the_credential_is_echoed() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, secret) = key(&service, &workspace, json!({})).await;
    let token = STANDARD.encode(format!("{secret}:"));
    for (field, value) in [
        ("authorization", format!("Basic {token}")),
        ("authorization", basic(&format!("{secret}\n"))),
        ("authorization", format!("Basic {secret}")),
        ("authorization", secret.clone()),
        ("authorization", format!("{secret}{}", "x".repeat(10_000))),
        ("key_header", secret.clone()),
        ("referrer", format!("{secret}{}", "x".repeat(10_000))),
        ("at", secret.clone()),
        ("ip", secret.clone()),
        ("request_id", secret.clone()),
    ] {
        let mut body = json!({ "path": "/v1/data" });
        body[field] = json!(value);
        let told = explain(&service, body).await;
        let text = String::from_utf8_lossy(&told.bytes).into_owned();
        assert!(!text.contains(&secret[3..30]) && !text.contains(&token[8..30]), "{field}: {text}");
    }
}

#[tokio::test]
async fn a_question_says_what_it_is_about_and_is_bounded() {
    let service = Service::start().await;
    for (body, field) in [
        (json!({}), "path"),
        (json!({ "authorization": "Basic eDp5" }), "path"),
        (json!({ "request_id": "x", "path": "/" }), "request_id"),
        (json!({ "request_id": "x", "preflight": false }), "request_id"),
        (json!({ "request_id": "" }), "request_id"),
        (json!({ "request_id": "0123" }), "request_id"),
        (json!({ "request_id": "07070707070707070707-0" }), "request_id"),
        (json!({ "request_id": "07070707070707070707-1000000" }), "request_id"),
        (json!({ "request_id": "x".repeat(9_000) }), "request_id"),
        (json!({ "path": "/", "method": "" }), "method"),
        (json!({ "path": "/", "method": "X".repeat(17) }), "method"),
        (json!({ "path": format!("/{}", "x".repeat(8 * 1024)) }), "path"),
        (json!({ "path": "/", "authorization": "x".repeat(8 * 1024 + 1) }), "authorization"),
        (json!({ "path": "/", "key_header": "x".repeat(8 * 1024 + 1) }), "key_header"),
        (json!({ "path": "/", "referrer": "x".repeat(8 * 1024 + 1) }), "referrer"),
        (json!({ "path": "/", "ip": "nowhere" }), "ip"),
        (json!({ "path": "/", "app": { "platform": "desktop" } }), "app.platform"),
        (json!({ "path": "/", "cookie": "a" }), "cookie"),
    ] {
        let refused = explain(&service, body.clone()).await;
        assert_eq!(refused.body["field"], field, "{body}");
        refused.is_problem(422, "invalid", Some(field));
    }
    let events = service.audit_events().await;
    explain(&service, json!({ "path": "" })).await.is(200);
    explain(&service, json!({ "path": "\u{0}\u{1f600}", "method": "\u{0}", "authorization": "\u{0}" })).await.is(200);
    explain(&service, json!({ "path": "/", "method": "\u{1f600}".repeat(16) })).await.is(200);
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn what_was_done_to_the_api_and_the_settings_is_told_to_operators() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, secret) = key(&service, &workspace, json!({})).await;
    let routes = json!({ "routes": [{ "path_prefix": "/v1/data" }] });
    service.put("/v1/apis/data", routes.clone()).await.is(201);
    service.put("/v1/apis/other", json!({ "routes": [{ "path_prefix": "/v1/other" }] })).await.is(201);
    for realm in ["one", "two"] {
        service.patch("/v1/settings", json!({ "realm": realm, "reason": realm })).await.is(200);
        service.put("/v1/apis/data", routes.clone()).await.is(200);
    }
    let told = |reply: &Reply| -> Vec<String> {
        let changes = reply.body["changes"].as_array().unwrap().iter();
        changes.map(|change| format!("{} {}", change["entity"], change["operation"]).replace('"', "")).collect()
    };
    let answer = of_key(&service, &secret).await;
    assert_eq!(told(&answer), ["APIs edit", "Settings edit", "API Keys create"]);
    assert_eq!(answer.body["changes"][1]["reason"], "two", "the last one");
    // What is accepted at all is the settings' doing, whosever the key is.
    let answer = of_key(&service, "nobody-ever-had-this-secret").await;
    assert_eq!(told(&answer), ["APIs edit", "Settings edit"]);
    let (_, admin) = service.somebody(&workspace, "admin").await;
    let body = json!({ "authorization": basic(&format!("{secret}:")), "path": "/v1/data" });
    let answer = service.request(Method::POST, "/v1/explain").bearer(&admin).json(&body).send().await.is(200);
    assert_eq!(told(&answer), ["API Keys create"]);
}

#[tokio::test]
async fn a_key_that_was_brought_with_other_check_digits_is_found_where_they_are_enforced() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let secret = "kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7M";
    let digest = hex::encode(Digest::of(&ApiKey::parse(secret).unwrap()).as_bytes());
    let body = json!({ "name": "old", "access": "read-only", "apis": ["*"], "sha256": digest });
    let path = service.post(&format!("{workspace}/keys"), body).await.is(201).header("location").to_owned();
    let id = path.rsplit('/').next();
    let deny = Some("unauthorized");
    let told = of_key(&service, secret).await;
    is(&told, "deny", deny, "check_digits");
    assert_eq!((told.body["key"]["id"].as_str(), told.text("slot")), (id, "current"));
    assert!(told.text("explanation").contains("was brought"), "{}", told.body);
    assert!(!told.text("explanation").contains("typing error"), "{}", told.body);
    let told = explain(&service, json!({ "authorization": basic(secret), "path": "/v1/data" })).await.is(200);
    is(&told, "deny", deny, "no_colon");
    assert_eq!(told.body["key"]["id"].as_str(), id);
    service.patch("/v1/settings", json!({ "check_digits": "off" })).await.is(200);
    is(&of_key(&service, secret).await, "allow", None, "usable");
}

#[tokio::test]
async fn a_secret_that_ended_for_good_is_retired_even_where_its_key_expired() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let deny = Some("unauthorized");
    let made = async |expires_at: &str| {
        let (path, secret) = key(&service, &workspace, json!({ "expires_at": expires_at })).await;
        service.post(&format!("{path}/rotate"), json!({ "grace_seconds": 3600 })).await.is(200);
        secret
    };
    let (late, early) = (made("2026-01-01T10:00:00Z").await, made("2026-01-01T00:30:00Z").await);
    service.pass_seconds(45 * 60);
    let told = of_key(&service, &early).await;
    is(&told, "deny", deny, "expired");
    assert_eq!(told.text("slot"), "retiring");
    service.pass_seconds(11 * 3600);
    let told = of_key(&service, &late).await;
    is(&told, "deny", deny, "retired");
    assert_eq!((told.text("slot"), &told.body["key"]["status"]), ("ended", &json!("expired")));
}

#[tokio::test]
async fn of_a_time_before_the_last_change_it_is_said_what_was_judged_for_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (path, secret) = key(&service, &workspace, json!({})).await;
    service.pass_seconds(3600);
    let ask = async || {
        let at = "2026-01-01T00:30:00Z";
        let body = json!({ "authorization": basic(&format!("{secret}:")), "path": "/v1/data", "at": at });
        explain(&service, body).await.is(200)
    };
    let words = "Deadlines are judged for the time that was named, all else as it is now";
    let told = ask().await;
    is(&told, "allow", None, "usable");
    assert!(!told.text("explanation").contains(words), "{}", told.body);
    service.post(&format!("{path}/disable"), json!({})).await.is(200);
    let told = ask().await;
    is(&told, "deny", Some("unauthorized"), "disabled");
    assert!(told.text("explanation").contains(words), "{}", told.body);
    assert!(!of_key(&service, &secret).await.text("explanation").contains(words));
}

#[tokio::test]
async fn only_white_space_that_http_takes_off_a_header_is_taken_off() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (path, secret) = key(&service, &workspace, json!({})).await;
    let right = basic(&format!("{secret}:"));
    let told = explain(&service, json!({ "authorization": format!("\t {right}\r\n "), "path": "/" })).await;
    is(&told.is(200), "allow", None, "usable");
    service.patch("/v1/settings", json!({ "accept": ["basic", "header:X-Api-Key"] })).await.is(200);
    for blank in ["\u{a0}", "\u{3000}", "\u{b}", "\u{85}"] {
        for (field, value) in [("authorization", &right), ("key_header", &secret)] {
            for value in [format!("{blank}{value}"), format!("{value}{blank}")] {
                let told = explain(&service, json!({ field: value, "path": "/" })).await.is(200);
                is(&told, "deny", Some("unauthorized"), "white_space");
                assert_eq!(told.body["key"]["id"].as_str(), path.rsplit('/').next(), "{field} {value:?}");
            }
        }
    }
}
