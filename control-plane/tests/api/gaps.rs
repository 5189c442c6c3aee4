//! What may have gone uncounted, and what is said of usage then.

use keyward_shared::report::{Applied, OtherUsage};
use keyward_shared::snapshot::HeadOrder;
use serde_json::{Value, json};

use crate::reports::{Reporter, report, send, usage};
use crate::service::Service;
use crate::usage::{key, pass};

/// Whether the old secret of the key's rotation is said to be missed by nobody.
async fn safe(service: &Service, key: &str) -> Value {
    service.get(key).await.is(200).body["rotation"]["safe_to_finish"].clone()
}

/// A key whose rotation has a grace period of ten minutes, and so a quiet time of five, and its old secret.
async fn rotating(service: &Service) -> (String, String) {
    let workspace = service.workspace("Acme").await;
    let (key, old) = key(service, &workspace, "one").await;
    service.post(&format!("{key}/rotate"), json!({ "grace_seconds": 600 })).await.is(200);
    (key, old)
}

#[tokio::test]
async fn a_rotation_with_a_short_grace_is_safe_to_finish_before_it_ends() {
    let service = Service::start().await;
    let mut edge = Reporter::new(&service, 1);
    edge.tell(&service, Vec::new()).await;
    let (key, old) = rotating(&service).await;
    edge.tell(&service, vec![usage(&old, 1, 0)]).await;
    pass(&service, &mut edge, 5).await;
    assert_eq!(safe(&service, &key).await, false, "called within the last five minutes");
    service.pass_seconds(1);
    edge.tell(&service, Vec::new()).await;
    assert_eq!(safe(&service, &key).await, true);
}

#[tokio::test]
async fn an_edge_that_is_not_heard_from_is_taken_for_gone_until_it_tells() {
    let service = Service::start().await;
    let (mut near, mut far) = (Reporter::new(&service, 1), Reporter::new(&service, 2));
    near.tell(&service, Vec::new()).await;
    far.tell(&service, Vec::new()).await;
    let (key, old) = rotating(&service).await;
    service.pass_seconds(10);
    let frozen = far.next(&service, Vec::new());
    pass(&service, &mut near, 6).await;
    assert_eq!(safe(&service, &key).await, true);
    // It had no call, and its report waited for the next one.
    send(&service, &frozen).await;
    far.tell(&service, Vec::new()).await;
    assert_eq!(safe(&service, &key).await, true);
    service.pass_seconds(1);
    // It was there all the time and could not tell: others like it may be gone with what they counted.
    let mut late = far.next(&service, Vec::new());
    (late.body.since, late.body.until) = (frozen.body.since, frozen.body.until);
    late.envelope.held_up = true;
    send(&service, &late).await;
    far.tell(&service, Vec::new()).await;
    assert_eq!(safe(&service, &key).await, Value::Null);
    // Whatever it told of before, a call is one.
    far.tell(&service, vec![usage(&old, 1, 0)]).await;
    assert_eq!(safe(&service, &key).await, false);
}

#[tokio::test]
async fn nothing_is_known_of_an_edge_that_somebody_else_reports_as() {
    let service = Service::start().await;
    let (mut near, mut spoofed) = (Reporter::new(&service, 1), Reporter::new(&service, 2));
    near.tell(&service, Vec::new()).await;
    spoofed.tell(&service, Vec::new()).await;
    let mut report = report(2, &[], service.now());
    report.envelope.sequence = u32::MAX;
    send(&service, &report).await;
    service.pass_seconds(1);
    let (key, old) = rotating(&service).await;
    for _ in 0..6 {
        pass(&service, &mut near, 1).await;
        spoofed.tell(&service, vec![usage(&old, 1, 0)]).await;
    }
    assert_eq!(safe(&service, &key).await, Value::Null);
}

#[tokio::test]
async fn another_report_under_the_number_of_one_that_was_taken_is_a_gap() {
    // Whoever stole edges' credential is faster, by a report or by two, and has it that nobody called.
    for ahead in 1..=2 {
        let service = Service::start().await;
        let mut edge = Reporter::new(&service, 1);
        edge.tell(&service, Vec::new()).await;
        let (key, old) = rotating(&service).await;
        let genuine = edge.next(&service, vec![usage(&old, 1, 0)]);
        let mut forged = genuine.clone();
        forged.body.usage.clear();
        for _ in 0..ahead {
            send(&service, &forged).await;
            forged.envelope.sequence += 1;
        }
        send(&service, &genuine).await;
        service.pass_seconds(300);
        forged.body.until = service.now();
        send(&service, &forged).await;
        assert_eq!(safe(&service, &key).await, Value::Null, "by {ahead}");
    }
}

#[tokio::test]
async fn a_call_that_had_no_place_is_a_gap_where_its_edge_may_not_have_known_of_the_rotation() {
    // By a head from before it, by one that was applied meanwhile, and by none but its own.
    for (behind, applies, expected) in [(1, false, Value::Null), (0, true, Value::Null), (0, false, json!(true))] {
        let service = Service::start().await;
        let mut edge = Reporter::new(&service, 1);
        edge.tell(&service, Vec::new()).await;
        let workspace = service.workspace("Acme").await;
        let (key, _) = key(&service, &workspace, "one").await;
        let rotated = service.post(&format!("{key}/rotate"), json!({ "grace_seconds": 600 })).await.is(200);
        let committed = rotated.body["generation"].as_u64().expect("a generation");
        let mut report = edge.next(&service, Vec::new());
        let held = HeadOrder { epoch: 2, generation: committed - behind, issued_at: report.body.until };
        report.body.held = Some(held);
        if applies {
            report.body.applied = vec![Applied { epoch: 2, generation: committed, at: report.body.until }];
        }
        report.body.others = OtherUsage { secrets: 1, calls: 1, refused: 0, last: report.body.until, retiring: 0 };
        send(&service, &report).await;
        pass(&service, &mut edge, 5).await;
        assert_eq!(safe(&service, &key).await, expected, "{behind} {applies}");
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_a_gap() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, _) = key(&service, &workspace, "one").await;
    let mut edge = Reporter::new(&service, 1);
    edge.tell(&service, Vec::new()).await;
    service.post(&format!("{key}/rotate"), json!({ "grace_seconds": 86_400 })).await.is(200);
    service.pass_seconds(3_000);
    edge.tell(&service, Vec::new()).await;
    assert_eq!(safe(&service, &key).await, false);
    service.pass_seconds(-2_900);
    Reporter::new(&service, 2).tell(&service, Vec::new()).await;
    assert_eq!(safe(&service, &key).await, Value::Null);
}

#[tokio::test]
async fn a_copy_of_the_report_before_the_last_is_no_gap() {
    let service = Service::start().await;
    let mut edge = Reporter::new(&service, 1);
    edge.tell(&service, Vec::new()).await;
    let (key, _) = rotating(&service).await;
    let copied = edge.next(&service, Vec::new());
    send(&service, &copied).await;
    pass(&service, &mut edge, 1).await;
    send(&service, &copied).await;
    pass(&service, &mut edge, 5).await;
    assert_eq!(safe(&service, &key).await, true);
}

#[tokio::test]
async fn a_report_that_arrived_and_was_held_up_since_is_behind_a_gap() {
    let service = Service::start().await;
    let mut edge = Reporter::new(&service, 1);
    edge.tell(&service, Vec::new()).await;
    let (key, _) = rotating(&service).await;
    service.pass_seconds(1);
    let mut report = edge.next(&service, Vec::new());
    for expected in [json!(false), json!(false), Value::Null] {
        report.envelope.held_up = expected.is_null();
        send(&service, &report).await;
        assert_eq!(safe(&service, &key).await, expected);
    }
}

#[tokio::test]
async fn usage_is_known_up_to_a_report_of_which_every_part_is_taken() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, secret) = key(&service, &workspace, "one").await;
    let known = async || service.get(&key).await.is(200).body["usage_known_until"].clone();
    let mut edge = Reporter::new(&service, 1);
    edge.tell(&service, Vec::new()).await;
    service.pass_seconds(10);
    let mut usages: Vec<_> = (0_u64..1_000)
        .map(|number| keyward_shared::report::Usage {
            fingerprint: (number << 52).to_be_bytes(),
            ..usage(&secret, 1, 0)
        })
        .collect();
    usages.push(usage(&secret, 1, 0));
    let long = edge.next(&service, usages);
    // It breaks off in the second part of two: there another transaction writes what no part may.
    service.behind("CREATE TRIGGER broken BEFORE UPDATE OF parts ON edge WHEN NEW.parts = 2 BEGIN SELECT raise(ABORT, 'broken'); END").await;
    let bytes = long.encode().expect("within bounds");
    crate::reports::send_bytes(&service, bytes).await.is(500);
    assert_eq!(known().await, "2026-01-01T00:00:00Z");
    service.behind("DROP TRIGGER broken").await;
    send(&service, &long).await;
    assert_eq!(known().await, "2026-01-01T00:00:10Z");
}

#[tokio::test]
async fn an_edge_whose_clock_is_ahead_knows_nothing_of_the_time_since_it_was_heard() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, _) = key(&service, &workspace, "one").await;
    let mut ahead = Reporter::new(&service, 1).next(&service, Vec::new());
    (ahead.body.until, ahead.body.lanes.http) = (ahead.body.until + 180_000, false);
    send(&service, &ahead).await;
    service.pass_seconds(170);
    assert_eq!(service.get(&key).await.body["usage_known_until"], "2026-01-01T00:00:00Z");
}

#[tokio::test]
async fn calls_that_are_told_of_without_their_secrets_are_summed_up_for_all_to_see() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (key, _) = key(&service, &workspace, "one").await;
    let mut edge = Reporter::new(&service, 1);
    for _ in 0..2 {
        let mut report = edge.next(&service, Vec::new());
        report.body.others = OtherUsage { secrets: 3, calls: 9, refused: 2, last: report.body.until, retiring: 0 };
        for _ in 0..2 {
            send(&service, &report).await;
        }
    }
    let counters = service.get("/v1/edges").await.is(200).body["items"][0]["counters"].clone();
    assert_eq!(counters, json!({ "unnamed_calls": 18, "unnamed_refused": 4 }));
    // It is known up to then what was told; whether that is all, `usage_complete` says.
    assert_eq!(service.get(&key).await.body["usage_known_until"], "2026-01-01T00:00:00Z");
    let body =
        json!({ "filter": { "last_used_before": "2026-01-01T00:00:00Z" }, "action": "disable", "dry_run": true });
    let preview = service.post(&format!("{workspace}/keys/bulk"), body).await.is(200);
    assert_eq!(preview.body["usage_complete"], false);
}
