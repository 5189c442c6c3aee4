//! What a key tells of its use, from the reports of edges.

use keyward_shared::report::Usage;
use serde_json::{Value, json};

use crate::reports::{Reporter, send, usage};
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
