//! `/v1/generations/{g}`: where a change has arrived.

use axum::http::Method;
use serde_json::{Value, json};

use crate::reports::{report, send};
use crate::service::{EDGE_CREDENTIAL, Service};

const DAY: i64 = 24 * 3600;

/// A service with a workspace, and the generation that carries it.
async fn changed() -> (Service, i64) {
    let service = Service::start().await;
    service.workspace("Acme").await;
    let generation = service.generation().await;
    (service, generation)
}

/// Notes that a head with that generation was signed now, `older_expire` seconds before all older ones expire.
async fn publish(service: &Service, generation: i64, older_expire: Option<i64>) {
    let now = service.now().cast_signed();
    let older = older_expire.map_or("NULL".to_owned(), |seconds| (now + seconds * 1000).to_string());
    let sql = format!("INSERT INTO published VALUES ({generation}, 2, {now}, NULL, {older})");
    service.behind(&sql).await;
}

async fn read(service: &Service, generation: i64) -> Value {
    service.get(&format!("/v1/generations/{generation}")).await.is(200).body
}

#[tokio::test]
async fn a_change_is_followed_from_its_commit_to_every_edge() {
    let (service, generation) = changed().await;
    let committed = json!({
        "generation": generation,
        "committed_at": "2026-01-01T00:00:00Z",
        "published_at": null,
        "kv_published_at": null,
        "applied": [],
        "unconfirmed": [],
        "certain_at": null,
    });
    assert_eq!(read(&service, generation).await, committed);

    let older = generation.cast_unsigned() - 1;
    for instance in [1, 2] {
        send(&service, &report(instance, &[older], service.now())).await;
    }
    service.pass_seconds(1);
    publish(&service, generation, Some(DAY)).await;
    service.pass_seconds(1);
    let mut applied = report(1, &[older + 1], service.now());
    (applied.envelope.sequence, applied.body.applied[0].at) = (2, service.now() - 400);
    send(&service, &applied).await;
    service.behind("UPDATE published SET sent_at = published_at + 1500").await;
    assert_eq!(
        read(&service, generation).await,
        json!({
            "generation": generation,
            "committed_at": "2026-01-01T00:00:00Z",
            "published_at": "2026-01-01T00:00:01Z",
            "kv_published_at": "2026-01-01T00:00:02.5Z",
            "applied": [{ "edge": "01".repeat(10), "at": "2026-01-01T00:00:01.6Z" }],
            "unconfirmed": [{ "edge": "02".repeat(10), "last_seen_at": "2026-01-01T00:00:00Z" }],
            // A day and five minutes after the last older head was signed.
            "certain_at": "2026-01-02T00:05:01Z",
        })
    );
    // Whoever began after that has never held an older head; who is unheard of for a day, nobody waits for.
    service.pass_seconds(DAY + 300);
    send(&service, &report(3, &[older + 5], service.now())).await;
    let later = read(&service, generation).await;
    assert_eq!(later["applied"].as_array().unwrap().len(), 1);
    assert_eq!(later["unconfirmed"], json!([]));
}

#[tokio::test]
async fn no_clock_of_an_edge_puts_its_step_before_the_change_or_after_its_report() {
    let (service, generation) = changed().await;
    service.pass_seconds(5);
    for (instance, at) in [(1, service.now() - 60_000), (2, service.now() + 60_000)] {
        let mut report = report(instance, &[generation.cast_unsigned()], service.now());
        report.body.applied[0].at = at;
        send(&service, &report).await;
    }
    let applied = read(&service, generation).await["applied"].clone();
    assert_eq!(applied[0]["at"], "2026-01-01T00:00:00Z");
    assert_eq!(applied[1]["at"], "2026-01-01T00:00:05Z");
}

#[tokio::test]
async fn the_first_head_of_all_is_certain_at_once_and_a_later_one_carries_what_is_before_it() {
    let (service, generation) = changed().await;
    publish(&service, generation + 1, None).await;
    service.key(&service.workspace("Other").await, "one").await;
    let first = read(&service, generation).await;
    assert_eq!(first["certain_at"], first["published_at"]);
    assert_eq!(first["published_at"], "2026-01-01T00:00:00Z");
    assert!(read(&service, generation + 2).await["published_at"].is_null());
}

#[tokio::test]
async fn edges_that_apply_the_first_head_or_the_first_after_an_outage_are_told_of() {
    // Before the second head, all older ones had expired.
    for older_expire in [None, Some(-3600)] {
        let (service, generation) = changed().await;
        publish(&service, generation, older_expire).await;
        let read_at = read(&service, generation).await;
        assert_eq!(read_at["certain_at"], read_at["published_at"], "not before there was such a head");
        service.pass_seconds(1);
        send(&service, &report(1, &[generation.cast_unsigned()], service.now())).await;
        assert_eq!(read(&service, generation).await["applied"][0]["edge"], "01".repeat(10), "{older_expire:?}");
    }
}

#[tokio::test]
async fn a_step_that_is_forgotten_is_not_told_as_a_later_one() {
    let (service, generation) = changed().await;
    publish(&service, generation, Some(DAY)).await;
    let generation = generation.cast_unsigned();
    for (sequence, applied) in [(1, generation), (2, generation + 1)] {
        let mut report = report(1, &[applied], service.now());
        report.envelope.sequence = sequence;
        send(&service, &report).await;
        service.pass_seconds(10);
    }
    send(&service, &report(2, &[generation], service.now())).await;
    let applied = async || {
        let read = read(&service, generation.cast_signed()).await;
        let applied = read["applied"].as_array().unwrap().clone();
        applied.iter().map(|edge| edge["edge"].as_str().unwrap()[..2].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(applied().await, ["01", "02"]);
    // As where there are more steps than are kept.
    service.behind(&format!("DELETE FROM edge_applied WHERE edge_id = 1 AND generation = {generation}")).await;
    assert_eq!(applied().await, ["02"], "when the other applied it is not known any more");
}

#[tokio::test]
async fn what_was_not_committed_or_is_kept_no_longer_is_not_found() {
    let (service, generation) = changed().await;
    let next = generation + 1;
    for path in ["0".to_owned(), next.to_string(), i64::MAX.to_string(), u64::MAX.to_string()] {
        service.get(&format!("/v1/generations/{path}")).await.is_problem(404, "not_found", None);
    }
    for path in ["-1", "01", "+1", "1.0", "x", "99999999999999999999999"] {
        service.get(&format!("/v1/generations/{path}")).await.is_problem(404, "not_found", None);
    }
    publish(&service, generation, None).await;
    service.workspace("Other").await;
    service.pass_seconds(90 * DAY);
    publish(&service, next, Some(DAY)).await;
    send(&service, &report(1, &[next.cast_unsigned()], service.now())).await;
    assert_eq!(read(&service, generation).await["published_at"], "2026-01-01T00:00:00Z");
    service.pass_seconds(1);
    for forgotten in [0, 0] {
        service.get(&format!("/v1/generations/{generation}")).await.is_problem(404, "not_found", None);
        assert_eq!(read(&service, next).await["published_at"], "2026-04-01T00:00:00Z");
        assert_eq!(service.forget_edges().await, forgotten, "the newest old head tells what is not kept");
    }
    // Counters that are raised pass over generations that nobody committed.
    service.behind("UPDATE counter SET generation = generation + 1000").await;
    service.get(&format!("/v1/generations/{}", next + 500)).await.is_problem(404, "not_found", None);
    // An edge goes with its steps 90 days after it was last heard from.
    service.pass_seconds(90 * DAY);
    assert_eq!(service.forget_edges().await, 3, "an edge, its step, and the older of two old heads");
    service.get(&format!("/v1/generations/{next}")).await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn only_operators_read_where_a_change_has_arrived() {
    let (service, generation) = changed().await;
    let workspace = service.workspace("Other").await;
    let (_, member) = service.somebody(&workspace, "owner").await;
    let call = || service.request(Method::GET, &format!("/v1/generations/{generation}"));
    call().bearer(&member).send().await.is_problem(403, "forbidden", None);
    call().bearer(EDGE_CREDENTIAL).send().await.is_problem(403, "forbidden", None);
    call().without("authorization").send().await.is_problem(401, "unauthorized", None);
}

#[tokio::test]
async fn more_reports_than_can_wait_are_put_off_and_none_is_lost() {
    let service = Service::start().await;
    let lock = service.lock_database().await;
    let reports = (0..100).map(|instance| {
        let bytes = report(instance, &[1], service.now()).encode().expect("within bounds");
        crate::reports::send_bytes(&service, bytes)
    });
    let waiting = futures_util::future::join_all(reports);
    let freed = async {
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        drop(lock);
    };
    let (answers, ()) = tokio::join!(waiting, freed);
    let listed = service.get("/v1/edges?limit=100").await.is(200).body["items"].as_array().unwrap().len();
    assert_eq!(listed, 66, "who was answered is there");
    let put_off: Vec<_> = answers.iter().filter(|answer| answer.status != 204).collect();
    assert_eq!(put_off.len(), 100 - 66, "two at a time, and 64 wait");
    for answer in put_off {
        answer.is_problem(429, "too_many_reports", None);
        assert_eq!(answer.header("retry-after"), "30");
    }
    // Edges keep what was not taken, and send it again.
    for instance in 0..100 {
        send(&service, &report(instance, &[1], service.now())).await;
    }
    assert_eq!(service.get("/v1/edges?limit=100").await.is(200).body["items"].as_array().unwrap().len(), 100);
}
