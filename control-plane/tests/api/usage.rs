//! What a key tells of its use, from the reports of edges.

use keyward_shared::decision::Refusal;
use keyward_shared::report::{Counter, OtherUsage, RefusalKind, Report, State, Usage};
use serde_json::{Value, json};

use crate::reports::{Reporter, denied, send, usage};
use crate::service::Service;

/// A key: its path and its secret.
pub(crate) async fn key(service: &Service, workspace: &str, name: &str) -> (String, String) {
    let body = json!({ "name": name, "access": "read-write", "apis": ["*"] });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    (made.header("location").to_owned(), made.text("secret").to_owned())
}

async fn member(service: &Service, key: &str, member: &str) -> Value {
    service.get(key).await.is(200).body[member].clone()
}

#[tokio::test]
async fn a_call_shows_on_its_key_and_on_no_other() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (used, secret) = key(&service, &workspace, "used").await;
    let (other, _) = key(&service, &workspace, "other").await;
    let mut edge = Reporter::new(&service, 1);
    service.pass_seconds(10);
    edge.tell(&service, vec![Usage { last_ago: 4_000, ..usage(&secret, 3, 0) }]).await;
    assert_eq!(member(&service, &used, "last_used_at").await, "2026-01-01T00:00:06Z");
    assert_eq!(member(&service, &other, "last_used_at").await, Value::Null);
    let listed = service.get(&format!("{workspace}/keys?last_used_before=2026-01-01T00:00:05Z")).await.is(200);
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed.body["items"][0]["name"], "other");
}

#[tokio::test]
async fn the_latest_call_stays_whoever_reports_an_earlier_one() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (used, secret) = key(&service, &workspace, "used").await;
    let (mut near, mut far) = (Reporter::new(&service, 1), Reporter::new(&service, 2));
    service.pass_seconds(60);
    near.tell(&service, vec![usage(&secret, 1, 0)]).await;
    far.tell(&service, vec![Usage { last_ago: 50_000, ..usage(&secret, 1, 0) }]).await;
    assert_eq!(member(&service, &used, "last_used_at").await, "2026-01-01T00:01:00Z");
    // A refusal is no use of the key.
    service.pass_seconds(10);
    near.tell(&service, vec![usage(&secret, 0, 5)]).await;
    assert_eq!(member(&service, &used, "last_used_at").await, "2026-01-01T00:01:00Z");
}

#[tokio::test]
async fn no_clock_of_an_edge_makes_a_call_later_than_its_report() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (used, secret) = key(&service, &workspace, "used").await;
    let mut report = Reporter::new(&service, 1).next(&service, vec![usage(&secret, 1, 0)]);
    report.body.until += 3_600_000;
    send(&service, &report).await;
    assert_eq!(member(&service, &used, "last_used_at").await, "2026-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_long_report_is_taken_in_parts_and_counts_once() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (used, secret) = key(&service, &workspace, "used").await;
    let mut usages: Vec<Usage> = (0_u64..4_095)
        .map(|number| Usage { fingerprint: (number << 52).to_be_bytes(), ..usage(&secret, 1, 0) })
        .collect();
    usages.push(usage(&secret, 2, 1));
    let report = Reporter::new(&service, 1).next(&service, usages);
    for _ in 0..2 {
        send(&service, &report).await;
    }
    assert_eq!(service.usage_of(&used).await, (2, 1));
    // Cut off in the middle, as by a restart between two parts: what comes again is what was missing.
    service.behind("UPDATE edge SET parts = 5").await;
    service.behind("UPDATE secret_usage SET calls = 0, refused = 0").await;
    let service = service.restarted().await;
    send(&service, &report).await;
    assert_eq!(service.usage_of(&used).await, (2, 1));
}

/// Reports every minute for so long, as an edge does that has little to say.
pub(crate) async fn pass(service: &Service, edge: &mut Reporter, minutes: u32) {
    for _ in 0..minutes {
        service.pass_seconds(60);
        edge.tell(service, Vec::new()).await;
    }
}

#[tokio::test]
async fn usage_is_known_up_to_what_the_last_live_edge_told() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, _) = key(&service, &workspace, "one").await;
    let known = async || member(&service, &key, "usage_known_until").await;
    assert_eq!(known().await, Value::Null);
    let (mut near, mut far) = (Reporter::new(&service, 1), Reporter::new(&service, 2));
    service.pass_seconds(10);
    far.tell(&service, Vec::new()).await;
    service.pass_seconds(10);
    near.tell(&service, Vec::new()).await;
    assert_eq!(known().await, "2026-01-01T00:00:10Z");
    far.tell(&service, Vec::new()).await;
    assert_eq!(known().await, "2026-01-01T00:00:20Z");
    let listed = service.get(&format!("{workspace}/keys")).await.is(200);
    assert_eq!(listed.body["items"][0]["usage_known_until"], "2026-01-01T00:00:20Z");
    // Whoever is heard from no more holds nothing up.
    service.pass_seconds(3600);
    assert_eq!(known().await, "2026-01-01T00:00:20Z");
    near.tell(&service, Vec::new()).await;
    assert_eq!(known().await, "2026-01-01T01:00:20Z");
}

#[tokio::test]
async fn who_still_calls_with_a_disabled_key_shows_on_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, secret) = key(&service, &workspace, "one").await;
    let since = async || member(&service, &key, "denied_since").await;
    let step = async |verb: &str| service.post(&format!("{key}/{verb}"), json!({})).await.is(200).body;
    let mut edge = Reporter::new(&service, 1);
    step("disable").await;
    service.pass_seconds(10);
    edge.tell(&service, vec![denied(&secret, 2, 3_000)]).await;
    assert_eq!(since().await, "2026-01-01T00:00:07Z");
    assert_eq!(member(&service, &key, "last_used_at").await, Value::Null);
    service.pass_seconds(10);
    edge.tell(&service, vec![denied(&secret, 2, 3_000)]).await;
    assert_eq!(since().await, "2026-01-01T00:00:07Z", "the first of them");

    assert_eq!(step("enable").await["key"]["denied_since"], Value::Null);
    assert_eq!(since().await, Value::Null);
    // What comes late tells of the time before.
    edge.tell(&service, vec![Usage { last_ago: 2_000, ..denied(&secret, 1, 3_000) }]).await;
    service.pass_seconds(10);
    assert_eq!(step("disable").await["key"]["denied_since"], Value::Null);
    assert_eq!(since().await, Value::Null);
    service.pass_seconds(10);
    edge.tell(&service, vec![denied(&secret, 9, 25_000)]).await;
    assert_eq!(since().await, "2026-01-01T00:00:30Z", "not before it was disabled");

    // Allowed before it was disabled and refused then, all in one report.
    step("enable").await;
    service.pass_seconds(5);
    step("disable").await;
    service.pass_seconds(5);
    edge.tell(&service, vec![Usage { last_ago: 6_000, calls: 3, ..denied(&secret, 1, 4_000) }]).await;
    assert_eq!(since().await, "2026-01-01T00:00:46Z");
    assert_eq!(member(&service, &key, "last_used_at").await, "2026-01-01T00:00:44Z");
}

#[tokio::test]
async fn who_calls_with_a_key_of_a_suspended_workspace_shows_on_it_until_it_is_allowed() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, secret) = key(&service, &workspace, "one").await;
    let since = async || member(&service, &key, "denied_since").await;
    let mut edge = Reporter::new(&service, 1);
    service.patch(&workspace, json!({ "status": "suspended" })).await.is(200);
    service.pass_seconds(10);
    edge.tell(&service, vec![denied(&secret, 1, 1_000)]).await;
    assert_eq!(since().await, "2026-01-01T00:00:09Z");
    service.patch(&workspace, json!({ "status": "active" })).await.is(200);
    assert_eq!(since().await, Value::Null);
    // It expires: a status, too, that nobody gave it.
    service.patch(&key, json!({ "expires_at": "2026-01-01T00:00:40Z" })).await.is(200);
    service.pass_seconds(60);
    edge.tell(&service, vec![denied(&secret, 1, 20_000)]).await;
    assert_eq!(since().await, "2026-01-01T00:00:50Z");
}

#[tokio::test]
async fn a_rotation_says_when_nobody_misses_its_old_secret() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, old) = key(&service, &workspace, "one").await;
    let rotation = async || member(&service, &key, "rotation").await;
    let mut edge = Reporter::new(&service, 1);
    edge.tell(&service, vec![usage(&old, 4, 0)]).await;
    service.pass_seconds(50);
    edge.tell(&service, Vec::new()).await;
    let rotated = service.post(&format!("{key}/rotate"), json!({ "grace_seconds": 600 })).await.is(200);
    let new = rotated.text("secret");
    let told = &rotated.body["key"]["rotation"];
    assert_eq!(told["previous_last_used_at"], "2026-01-01T00:00:00Z", "before it was the old one");
    assert_eq!(told["safe_to_finish"], false);

    // Calls with the new secret are none with the old.
    service.pass_seconds(10);
    edge.tell(&service, vec![usage(&old, 1, 0), usage(new, 5, 0)]).await;
    assert_eq!(rotation().await["previous_last_used_at"], "2026-01-01T00:01:00Z");
    pass(&service, &mut edge, 5).await;
    edge.tell(&service, vec![usage(new, 5, 0)]).await;
    assert_eq!(rotation().await["previous_last_used_at"], "2026-01-01T00:01:00Z");
    assert_eq!(rotation().await["safe_to_finish"], false, "used within the last five minutes, half of its grace");
    let extended = service.post(&format!("{key}/rotation/extend"), json!({ "grace_seconds": 2_592_000 })).await.is(200);
    assert_eq!(extended.body["key"]["rotation"]["safe_to_finish"], false);

    // A week without a call.
    service.behind("UPDATE usage_bound SET reported_at = reported_at + 604800000").await;
    service.pass_seconds(604_800);
    assert_eq!(rotation().await["safe_to_finish"], Value::Null, "nobody is heard from");
    edge.tell(&service, vec![usage(new, 1, 0)]).await;
    assert_eq!(rotation().await["safe_to_finish"], true);

    // Paused, somebody misses it after all.
    service.post(&format!("{key}/rotation/pause"), json!({})).await.is(200);
    assert_eq!(rotation().await["safe_to_finish"], true);
    service.pass_seconds(10);
    edge.tell(&service, vec![denied(&old, 1, 1_000)]).await;
    assert_eq!(rotation().await["safe_to_finish"], false);
    assert_eq!(member(&service, &key, "denied_since").await, "2026-01-08T00:06:09Z");
}

#[tokio::test]
async fn nothing_is_said_of_an_old_secret_after_a_gap() {
    for spoil in [
        |report: &mut Report| report.envelope.lost = true,
        |report: &mut Report| report.envelope.held_up = true,
        |report: &mut Report| report.envelope.sequence += 1,
        |report: &mut Report| report.body.state = State::Expired,
        |report: &mut Report| {
            let expired = RefusalKind::of(Refusal::SnapshotExpired);
            report.body.counters = vec![(Counter::Refused(expired), 1)];
        },
        |report: &mut Report| report.body.others = OtherUsage { secrets: 1, retiring: 1, ..OtherUsage::default() },
        |report: &mut Report| report.body.others.secrets = 0,
    ] {
        let service = Service::start().await;
        let workspace = service.workspace("Acme").await;
        let (key, _) = key(&service, &workspace, "one").await;
        let mut edge = Reporter::new(&service, 1);
        edge.tell(&service, Vec::new()).await;
        service.post(&format!("{key}/rotate"), json!({ "grace_seconds": 300 })).await.is(200);
        service.pass_seconds(60);
        let mut report = edge.next(&service, Vec::new());
        let sound = report.clone();
        spoil(&mut report);
        send(&service, &report).await;
        let expected = if report == sound { json!(false) } else { Value::Null };
        assert_eq!(member(&service, &key, "rotation").await["safe_to_finish"], expected, "{report:?}");
    }
}

#[tokio::test]
async fn a_long_silence_is_a_gap() {
    for (silence, expected) in [(3600, json!(false)), (3601, Value::Null)] {
        let service = Service::start().await;
        let workspace = service.workspace("Acme").await;
        let (key, _) = key(&service, &workspace, "one").await;
        let mut edge = Reporter::new(&service, 1);
        edge.tell(&service, Vec::new()).await;
        service.post(&format!("{key}/rotate"), json!({ "grace_seconds": 86_400 })).await.is(200);
        service.pass_seconds(silence);
        edge.tell(&service, Vec::new()).await;
        assert_eq!(member(&service, &key, "rotation").await["safe_to_finish"], expected, "{silence}");
    }
}

#[tokio::test]
async fn a_rotation_that_is_watched_shows_each_step_on_the_key() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, old) = key(&service, &workspace, "one").await;
    let mut edge = Reporter::new(&service, 1);
    let shown = async || {
        let read = service.get(&key).await.is(200).body;
        let rotation = &read["rotation"];
        json!([
            rotation["paused"],
            rotation["previous_valid_until"],
            rotation["previous_last_used_at"],
            read["denied_since"]
        ])
    };
    let step = async |verb: &str, body: Value| service.post(&format!("{key}/{verb}"), body).await.is(200);
    step("rotate", json!({ "grace_seconds": 3600 })).await;
    assert_eq!(shown().await, json!([false, "2026-01-01T01:00:00Z", null, null]));
    service.pass_seconds(10);
    edge.tell(&service, vec![usage(&old, 1, 0)]).await;
    assert_eq!(shown().await, json!([false, "2026-01-01T01:00:00Z", "2026-01-01T00:00:10Z", null]));
    step("rotation/pause", json!({})).await;
    service.pass_seconds(10);
    edge.tell(&service, vec![denied(&old, 1, 5_000)]).await;
    assert_eq!(shown().await, json!([true, "2026-01-01T01:00:00Z", "2026-01-01T00:00:10Z", "2026-01-01T00:00:15Z"]));
    step("rotation/resume", json!({})).await;
    assert_eq!(shown().await, json!([false, "2026-01-01T01:00:00Z", "2026-01-01T00:00:10Z", null]));
    step("rotation/extend", json!({ "grace_seconds": 7200 })).await;
    assert_eq!(shown().await, json!([false, "2026-01-01T02:00:20Z", "2026-01-01T00:00:10Z", null]));
    service.pass_seconds(10);
    edge.tell(&service, vec![usage(&old, 1, 0)]).await;
    assert_eq!(shown().await, json!([false, "2026-01-01T02:00:20Z", "2026-01-01T00:00:30Z", null]));
    step("rotation/finish", json!({})).await;
    assert_eq!(shown().await, json!([null, null, null, null]));
    // The key itself was last used then, with whichever secret.
    assert_eq!(member(&service, &key, "last_used_at").await, "2026-01-01T00:00:30Z");
}

#[tokio::test]
async fn by_last_use_that_is_known_keys_are_changed_without_a_preview() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (_, used) = key(&service, &workspace, "used").await;
    let (unused, _) = key(&service, &workspace, "unused").await;
    let mut edge = Reporter::new(&service, 1);
    edge.tell(&service, Vec::new()).await;
    pass(&service, &mut edge, 5).await;
    edge.tell(&service, vec![usage(&used, 1, 0)]).await;
    let body = |before: &str| json!({ "filter": { "last_used_before": before }, "action": "disable" });
    let bulk = async |before: &str| service.post(&format!("{workspace}/keys/bulk"), body(before)).await;
    let field = Some("filter.last_used_before");
    bulk("2025-12-31T23:59:59Z").await.is_problem(422, "invalid", field);
    let mut preview = body("2026-01-01T00:01:00Z");
    preview["dry_run"] = json!(true);
    let shown = service.post(&format!("{workspace}/keys/bulk"), preview).await.is(200);
    assert_eq!((&shown.body["usage_complete"], &shown.body["changed"]), (&json!(true), &json!(1)));
    let done = bulk("2026-01-01T00:01:00Z").await.is(200);
    assert_eq!(
        done.body["keys"],
        json!([{
            "id": unused.rsplit('/').next().unwrap(), "name": "unused", "outcome": "changed",
        }])
    );
    // Calls that are told of without their secrets could be anybody's.
    let mut report = edge.next(&service, Vec::new());
    report.body.others = OtherUsage { secrets: 3, calls: 9, ..OtherUsage::default() };
    send(&service, &report).await;
    bulk("2026-01-01T00:01:00Z").await.is_problem(422, "invalid", field);
}
