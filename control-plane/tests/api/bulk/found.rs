//! Keys that a filter finds for a bulk change: those nobody uses, and more than one call takes.

use axum::http::Method;
use serde_json::{Value, json};

use super::{bulk, id, status};
use crate::service::{Reply, Service};

/// Name and outcome of each key, names in order.
fn told(reply: &Reply) -> Vec<(&str, &str)> {
    let keys = reply.body["keys"].as_array().unwrap();
    let mut told: Vec<_> =
        keys.iter().map(|key| (key["name"].as_str().unwrap(), key["outcome"].as_str().unwrap())).collect();
    told.sort_unstable();
    told
}

#[tokio::test]
async fn all_keys_not_used_for_90_days_are_disabled_and_a_key_made_yesterday_is_not() {
    const DAY: i64 = 86_400;
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let mut old = Vec::new();
    for name in ["never used", "used long ago", "used lately"] {
        old.push(service.key(&workspace, name).await);
    }
    service.pass_seconds(99 * DAY);
    let yesterday = service.key(&workspace, "made yesterday").await;
    service.pass_seconds(DAY);
    // It is 11 April; 90 days ago it was 11 January. No edge is here that would report what is used.
    let used = "UPDATE key SET last_used_at = 1768089600000 - (name = 'used long ago') WHERE name LIKE 'used %'";
    service.behind(used).await;
    let unused = json!({ "last_used_before": "2026-01-11T00:00:00Z" });
    let ask = |action: &str, dry_run: bool| json!({ "filter": unused, "action": action, "dry_run": dry_run });
    // What nobody has looked at is not changed by a use that nobody reports.
    let act = async |action: &str| {
        let shown = bulk(&service, &workspace, ask(action, true)).await.is(200);
        let call = service.request(Method::POST, &format!("{workspace}/keys/bulk"));
        call.header("if-match", shown.header("etag")).json(&ask(action, false)).send().await.is(200)
    };
    let wanted = [("never used", "changed"), ("used long ago", "changed")];
    assert_eq!(told(&bulk(&service, &workspace, ask("disable", true)).await.is(200)), wanted);
    assert_eq!(status(&service, &old[0]).await, "active");
    assert_eq!(told(&act("disable").await), wanted);
    for (key, wanted) in [(&old[0], "disabled"), (&old[1], "disabled"), (&old[2], "active"), (&yesterday, "active")] {
        assert_eq!(status(&service, key).await, wanted, "{key}");
    }
    let again = act("disable").await;
    assert_eq!((&again.body["matched"], &again.body["more"]), (&json!(0), &json!(false)));
    assert_eq!(told(&act("enable").await), wanted);
}

#[tokio::test]
async fn more_keys_than_one_call_takes_are_reached_by_asking_again_or_with_the_cursor() {
    const KEYS: usize = 1_003;
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let line = |number: usize| {
        let line = json!({
            "external_id": number.to_string(), "workspace": id(&workspace), "name": format!("key {number}"),
            "access": "read-only", "apis": ["*"], "sha256": format!("{number:064x}"),
        });
        format!("{line}\n")
    };
    let lines: String = (0..KEYS).map(line).collect();
    let import = service.request(Method::POST, "/v1/keys/import");
    import.raw("application/x-ndjson", lines).send().await.is(200);
    let ask = async |action: &str, cursor: &Value, dry_run: bool| {
        let body = json!({
            "filter": { "access": "read-only" }, "action": action, "cursor": cursor, "dry_run": dry_run,
        });
        bulk(&service, &workspace, body).await
    };
    let numbers = |reply: &Reply| {
        let cursor = &reply.body["next_cursor"];
        assert_eq!(
            (reply.body["more"].as_bool(), reply.body["matched"].as_u64()),
            (Some(cursor.is_string()), reply.body["changed"].as_u64(),)
        );
        (reply.body["keys"].as_array().unwrap().len(), cursor.is_string())
    };

    // A preview is read page by page.
    let first = ask("disable", &Value::Null, true).await.is(200);
    assert_eq!(numbers(&first), (1_000, true));
    let second = ask("disable", &first.body["next_cursor"], true).await.is(200);
    assert_eq!(numbers(&second), (3, false));
    let mut names: Vec<_> = told(&first).into_iter().chain(told(&second)).map(|(name, _)| name.to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KEYS, "neither repeated nor hidden");
    let strayed = ask("enable", &first.body["next_cursor"], true).await;
    strayed.is_problem(422, "invalid", Some("cursor"));

    // To act, the same call again does as well.
    for wanted in [(1_000, true), (3, false), (0, false)] {
        assert_eq!(numbers(&ask("disable", &Value::Null, false).await.is(200)), wanted);
    }
    let first = ask("enable", &Value::Null, false).await.is(200);
    assert_eq!(numbers(&first), (1_000, true));
    assert_eq!(numbers(&ask("enable", &first.body["next_cursor"], false).await.is(200)), (3, false));
    let active = ask("enable", &Value::Null, true).await.is(200);
    assert_eq!(numbers(&active), (0, false));
}
