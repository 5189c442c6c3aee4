//! Refusals that edges told of: `POST /v1/explain` by a request's id, and `GET /v1/edges/refusals`.

use axum::http::Method;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::report::{Hitter, MAX_HITTERS, RefusalKind, RefusedAddress, Sample};
use serde_json::{Value, json};

use crate::reports::{fingerprint, report, send};
use crate::service::{EDGE_CREDENTIAL, Reply, Service};

/// The id of an edge's request 41.
const ID: &str = "07070707070707070707-15";

fn kind(word: &str) -> RefusalKind {
    RefusalKind::from_word(word).expect("a word")
}

fn sample(ordinal: u32, word: &str, fingerprint: Option<Fingerprint>) -> Sample {
    Sample { ordinal, refusal: kind(word), fingerprint, ago: 2_500 }
}

fn hitter(fingerprint: Fingerprint, word: &str, count: u32, error: u32) -> Hitter {
    Hitter { fingerprint, refusal: kind(word), count, error, first: 1, last: 2, last_ago: 1_000 }
}

/// An edge tells of these refusals of single requests.
async fn tell(service: &Service, sequence: u32, samples: Vec<Sample>) {
    let mut report = report(7, &[], service.now());
    (report.envelope.sequence, report.body.samples) = (sequence, samples);
    send(service, &report).await;
}

async fn explain(service: &Service, id: &str) -> Reply {
    service.post("/v1/explain", json!({ "request_id": id })).await
}

/// A key's path and secret.
async fn key(service: &Service, workspace: &str, name: &str) -> (String, String) {
    let body = json!({ "name": name, "access": "read-write", "apis": ["*"] });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    (made.header("location").to_owned(), made.text("secret").to_owned())
}

#[tokio::test]
async fn a_refusal_is_explained_by_the_id_of_its_request() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (path, secret) = key(&service, &workspace, "used by someone").await;
    service.pass_seconds(60);
    service.post(&format!("{path}/disable"), json!({ "reason": "leaked" })).await.is(200);
    service.pass_seconds(60);
    tell(&service, 1, vec![sample(41, "disabled", Some(fingerprint(&secret)))]).await;
    let told = explain(&service, ID).await.is(200);
    assert_eq!(told.header("cache-control"), "no-store");
    let text = String::from_utf8(told.bytes.clone()).expect("text");
    assert!(!text.contains(&secret[3..30]), "{text}");
    let mut expected = json!({
        "verdict": "deny", "status": 401, "code": "unauthorized", "reason": "disabled",
        "explanation": "The key was disabled.", "slot": "current", "at": "2026-01-01T00:01:57.5Z",
        "edge": "07070707070707070707", "fingerprint": hex::encode(fingerprint(&secret).as_bytes()),
    });
    let mut body = told.body;
    let changes = body["changes"].take();
    assert_eq!((&changes[0]["operation"], &changes[0]["reason"]), (&json!("disable"), &json!("leaked")));
    expected["changes"] = Value::Null;
    expected["key"] = service.get(&path).await.body;
    assert_eq!(body, expected);

    // What was done to it since is told, and said to be later.
    service.post(&format!("{path}/enable"), json!({})).await.is(200);
    let told = explain(&service, ID).await.is(200);
    assert_eq!((told.text("reason"), &told.body["key"]["status"]), ("disabled", &json!("active")));
    assert_eq!(told.body["changes"][0]["operation"], "enable");
    assert!(told.text("explanation").contains("`changes` has what was done since"), "{}", told.body);
    // A token that may not read the audit log is told no changes.
    let narrowed = service.token(None, &["keys:read"]).await;
    let call = service.request(Method::POST, "/v1/explain").bearer(&narrowed).json(&json!({ "request_id": ID }));
    assert_eq!(call.send().await.is(200).body["changes"], Value::Null);
}

#[tokio::test]
async fn every_reason_that_edges_tell_has_its_words() {
    let service = Service::start().await;
    let kinds: Vec<RefusalKind> = (0..).map_while(RefusalKind::from_code).collect();
    let told = (1..).zip(&kinds).map(|(ordinal, kind)| sample(ordinal, kind.as_str(), None)).collect();
    tell(&service, 1, told).await;
    let mut words = Vec::new();
    for (ordinal, kind) in (1..).zip(&kinds) {
        let digit = char::from_digit(ordinal, 36).expect("a digit");
        let told = explain(&service, &format!("07070707070707070707-{digit}")).await.is(200);
        let refusal = kind.refusal();
        assert_eq!(
            (told.text("reason"), told.text("code"), &told.body["status"]),
            (kind.as_str(), refusal.code(), &json!(refusal.status()))
        );
        for nothing in ["key", "slot", "fingerprint"] {
            assert_eq!(told.body[nothing], Value::Null, "{}", told.body);
        }
        let text = told.text("explanation").to_owned();
        assert!(text.ends_with('.') && !words.contains(&text), "{text}");
        words.push(text);
    }
    assert_eq!(words.len(), RefusalKind::COUNT);
}

#[tokio::test]
async fn what_an_edge_did_not_know_is_told_by_what_is_known_now() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (path, secret) = key(&service, &workspace, "new").await;
    let nobody = Fingerprint::from_bytes([9; 16]);
    let of = |secret: &str| Some(fingerprint(secret));
    tell(&service, 1, vec![sample(41, "unknown", of(&secret)), sample(1, "unknown", Some(nobody))]).await;
    let told = async |id: &str| {
        let told = explain(&service, id).await.is(200);
        assert_eq!(told.text("reason"), "unknown");
        told
    };
    let stranger = told("07070707070707070707-1").await;
    assert!(stranger.text("explanation").contains("no key has or had this secret"), "{}", stranger.body);
    assert_eq!((&stranger.body["key"], stranger.text("fingerprint")), (&Value::Null, "09".repeat(16).as_str()));
    for (verb, body, slot, words) in [
        (None, json!({}), "current", "had not heard yet"),
        (Some("rotate"), json!({ "grace_seconds": 60 }), "retiring", "had not heard yet"),
        (Some("rotation/finish"), json!({}), "ended", "was ended"),
        (Some("archive"), json!({}), "ended", "archived"),
    ] {
        if let Some(verb) = verb {
            service.post(&format!("{path}/{verb}"), body).await.is(200);
        }
        let told = told(ID).await;
        assert_eq!(told.text("slot"), slot);
        assert!(told.text("explanation").contains(words), "{words}: {}", told.body);
    }
    service.delete(&path).await.is(200);
    let told = told(ID).await;
    assert!(told.text("explanation").contains("was deleted"), "{}", told.body);
    assert_eq!((&told.body["key"]["name"], told.text("slot")), (&json!("new"), "ended"));
}

#[tokio::test]
async fn of_what_no_edge_told_it_is_said_why_it_may_not_be_known() {
    let service = Service::start().await;
    let unknown = async || {
        let told = explain(&service, ID).await;
        told.is_problem(404, "not_found", None);
        let detail = told.text("detail").to_owned();
        for words in ["some seconds later", "the first few", "7 days"] {
            assert!(detail.contains(words), "{detail}");
        }
    };
    unknown().await;
    tell(&service, 1, vec![sample(40, "malformed", None)]).await;
    unknown().await;
    tell(&service, 2, vec![sample(41, "malformed", None)]).await;
    explain(&service, ID).await.is(200);
    service.pass_seconds(7 * 24 * 3600);
    service.forget_edges().await;
    unknown().await;
}

#[tokio::test]
async fn members_are_told_of_refusals_of_their_own_workspaces_keys_only() {
    let service = Service::start().await;
    let (own, other) = (service.workspace("Acme").await, service.workspace("Other").await);
    let ((_, secret), (path, foreign)) = (key(&service, &own, "own").await, key(&service, &other, "theirs").await);
    service.post(&format!("{path}/disable"), json!({})).await.is(200);
    let samples = vec![
        sample(1, "wrong_user", Some(fingerprint(&secret))),
        sample(2, "disabled", Some(fingerprint(&foreign))),
        sample(3, "unknown", Some(Fingerprint::from_bytes([9; 16]))),
        sample(4, "malformed", None),
    ];
    tell(&service, 1, samples).await;
    let (owner_id, owner) = service.somebody(&own, "owner").await;
    let id = |ordinal: u32| json!({ "request_id": format!("07070707070707070707-{ordinal}") });
    let ask = async |token: &str, ordinal: u32| {
        service.request(Method::POST, "/v1/explain").bearer(token).json(&id(ordinal)).send().await
    };
    let told = ask(&owner, 1).await.is(200);
    assert_eq!((told.text("reason"), &told.body["key"]["name"]), ("wrong_user", &json!("own")));
    // What is another's, or nobody's, reads as what no edge told of.
    let mut unknown = ask(&owner, 5).await.body;
    unknown["request_id"].take();
    for ordinal in 2..=4 {
        let refused = ask(&owner, ordinal).await;
        refused.is_problem(404, "not_found", None);
        let mut body = refused.body;
        body["request_id"].take();
        assert_eq!(body, unknown);
    }
    // So it does for an operator who acts as that member; an operator is told all.
    let member = owner_id.rsplit('/').next().unwrap();
    let acting = async |ordinal: u32| {
        let call = service.request(Method::POST, "/v1/explain").header("keyward-on-behalf-of", member);
        call.json(&id(ordinal)).send().await
    };
    assert_eq!(acting(1).await.is(200).body["key"]["name"], "own");
    acting(2).await.is_problem(404, "not_found", None);
    assert_eq!(explain(&service, "07070707070707070707-2").await.is(200).body["key"]["name"], "theirs");
    for role in ["staff", "read-only", "lite"] {
        let (_, token) = service.somebody(&own, role).await;
        ask(&token, 1).await.is_problem(403, "forbidden", None);
    }
    ask(EDGE_CREDENTIAL, 1).await.is_problem(403, "forbidden", None);
    ask(&service.token(None, &["audit:read"]).await, 1).await.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn who_was_refused_most_is_summed_over_edges() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (path, secret) = key(&service, &workspace, "refused").await;
    let (known, nobody) = (fingerprint(&secret), Fingerprint::from_bytes([9; 16]));
    for (edge, sequence) in [(7, 1), (7, 2), (8, 1)] {
        let mut report = report(edge, &[], service.now());
        report.envelope.sequence = sequence;
        report.body.hitters = vec![hitter(known, "disabled", 10, 0), hitter(nobody, "unknown", 7, 2)];
        if edge == 8 {
            report.body.hitters.push(hitter(known, "restricted", 4, 0));
        }
        let address = |address: &str, count| RefusedAddress { count, error: 0, address: address.to_owned() };
        report.envelope.addresses = vec![address("192.0.2.7", 12), address("2001:db8::7", 5)];
        send(&service, &report).await;
        // What comes again counts once.
        send(&service, &report).await;
    }
    let told = service.get("/v1/edges/refusals").await.is(200);
    let id = path.rsplit('/').next().unwrap();
    let owner = json!({ "id": id, "workspace_id": workspace.rsplit('/').next(), "name": "refused" });
    let by_key = |fingerprint: Fingerprint, reason: &str, count: u32, error: u32, key: &Value| {
        json!({
            "fingerprint": hex::encode(fingerprint.as_bytes()), "reason": reason, "address": null, "count": count,
            "error": error, "last_at": "2025-12-31T23:59:59Z", "key": key,
        })
    };
    let expected = json!({
        "from": "2025-12-31", "to": "2026-01-02", "uncounted": 0,
        "items": [
            by_key(known, "disabled", 30, 0, &owner),
            by_key(nobody, "unknown", 21, 6, &Value::Null),
            by_key(known, "restricted", 4, 0, &owner),
        ],
        "next_cursor": null,
    });
    assert_eq!(told.body, expected);
    let text = String::from_utf8(told.bytes).expect("text");
    assert!(!text.contains(&secret[3..30]), "{text}");
    let by_address = |address: &str, count: u32| {
        json!({
            "fingerprint": null, "reason": null, "address": address, "count": count, "error": 0,
            "last_at": "2026-01-01T00:00:00Z", "key": null,
        })
    };
    let told = service.get("/v1/edges/refusals?by=address").await.is(200).body;
    assert_eq!(told["items"], json!([by_address("192.0.2.7", 36), by_address("2001:db8::7", 15)]));
    // Its name outlives the key.
    service.delete(&path).await.is(200);
    let told = service.get("/v1/edges/refusals?by=key&limit=1").await.is(200).body;
    assert_eq!(told["items"], json!([by_key(known, "disabled", 30, 0, &owner)]));
}

#[tokio::test]
async fn refusals_are_told_by_days_and_a_page_at_a_time() {
    let service = Service::start().await;
    let of = |number: u8| Fingerprint::from_bytes([number; 16]);
    for day in 1..=4 {
        let mut report = report(7, &[], service.now());
        report.envelope.sequence = day;
        report.body.hitters = (1..=5).map(|number| hitter(of(number), "unknown", day * u32::from(number), 0)).collect();
        send(&service, &report).await;
        service.pass_seconds(24 * 3600);
    }
    let counts = async |query: &str| -> Vec<u64> {
        let told = service.get(&format!("/v1/edges/refusals{query}")).await.is(200).body;
        told["items"].as_array().unwrap().iter().map(|item| item["count"].as_u64().unwrap()).collect()
    };
    // It is the fifth of January, on which nobody was refused.
    assert_eq!(counts("").await, [20, 16, 12, 8, 4]);
    assert_eq!(counts("?from=2026-01-01").await, [50, 40, 30, 20, 10]);
    assert_eq!(counts("?from=2026-01-01&to=2026-01-03").await, [15, 12, 9, 6, 3]);
    assert_eq!(counts("?to=2026-01-03").await, [15, 12, 9, 6, 3]);
    assert_eq!(counts("?from=2026-01-05").await, [] as [u64; 0]);
    assert_eq!(counts("?from=2026-02-01").await, [] as [u64; 0], "a day ahead");
    assert_eq!(counts("?from=2026-01-03&to=2026-01-03").await, [] as [u64; 0]);
    let (mut path, mut seen) = ("/v1/edges/refusals?from=2026-01-01&limit=2".to_owned(), Vec::new());
    let first = path.clone();
    loop {
        let page = service.get(&path).await.is(200).body;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["count"].as_u64().unwrap()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{first}&cursor={cursor}");
        let other = format!("/v1/edges/refusals?cursor={cursor}");
        service.get(&other).await.is_problem(400, "bad_parameter", Some("cursor"));
    }
    assert_eq!(seen, [50, 40, 30, 20, 10]);
    for (query, field) in [
        ("by=name", "by"),
        ("from=today", "from"),
        ("to=2026-02-30", "to"),
        ("to=2026-01-03T00:00:00Z", "to"),
        ("from=2026-01-03&to=2026-01-02", "to"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("kind=key", "kind"),
    ] {
        let refused = service.get(&format!("/v1/edges/refusals?{query}")).await;
        assert_eq!((refused.status.as_u16(), &refused.body["field"]), (400, &json!(field)), "{query}");
    }
    // A month later nothing of it is left.
    service.pass_seconds(31 * 24 * 3600);
    service.forget_edges().await;
    assert_eq!(counts("?from=2026-01-01&to=2026-01-06").await, [] as [u64; 0]);
}

#[tokio::test]
async fn a_full_report_says_how_many_refusals_it_may_have_left_out() {
    let service = Service::start().await;
    let of = |number: u8| Fingerprint::from_bytes([number; 16]);
    for (edge, many) in [(7, MAX_HITTERS), (8, MAX_HITTERS), (9, MAX_HITTERS - 1)] {
        let mut report = report(edge, &[], service.now());
        let all = (1..).take(many).map(|number| hitter(of(number), "unknown", 3 + u32::from(number == 1), 0));
        report.body.hitters = all.collect();
        send(&service, &report).await;
    }
    let told = service.get("/v1/edges/refusals").await.is(200).body;
    assert_eq!((&told["uncounted"], &told["items"][0]["count"]), (&json!(6), &json!(12)));
    assert_eq!(service.get("/v1/edges/refusals?by=address").await.is(200).body["uncounted"], 0);
}
