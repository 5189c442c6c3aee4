//! `GET /v1/audit/events`: what is found, by whom, and in which order.

use axum::http::Method;
use keyward_control_plane::domain::audit;
use serde_json::{Value, json};

use crate::service::{Reply, Service};

/// The identifier at the end of a path.
fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

fn seqs(reply: &Reply) -> Vec<u64> {
    reply.body["items"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

async fn events(service: &Service, query: &str) -> Reply {
    service.get(&format!("/v1/audit/events?limit=200&{query}")).await.is(200)
}

/// Two workspaces in which things were done by an operator and by a member, in the first two hours of the
/// year. Tells the workspaces, a team, a member of it, and the key that they made.
async fn some_history(service: &Service) -> [String; 5] {
    let one = service.workspace("Acme").await;
    let other = service.workspace("Umbrella").await;
    let (member, token) = service.somebody(&one, "admin").await;
    let team = service.team_with(&one, Some(&member)).await;
    let body = json!({ "name": "Nightly Build", "access": "read-only", "apis": ["*"], "team_id": team });
    let made = service.request(Method::POST, &format!("{one}/keys")).bearer(&token).json(&body).send().await;
    let key = made.is(201).header("location").to_owned();
    service.key(&other, "Deploy").await;
    service.pass_seconds(3_600);
    service.patch(&key, json!({ "name": "Weekly Build", "reason": "ticket #4711" })).await.is(200);
    service.post(&format!("{key}/disable"), json!({})).await.is(200);
    service.pass_seconds(1_800);
    service.patch("/v1/settings", json!({ "realm": "B" })).await.is(200);
    [one, other, team, member, key]
}

#[tokio::test]
async fn an_event_reads_as_agreed_and_hashes_to_its_hash() {
    let service = Service::start().await;
    let [one, _, team, member, key] = some_history(&service).await;
    let found = events(&service, &format!("target={}&action=Create", id(&key))).await;
    let [event] = found.body["items"].as_array().unwrap().as_slice() else { panic!("{}", found.body) };
    let members: Vec<&String> = event.as_object().unwrap().keys().collect();
    let mut agreed = [
        "seq",
        "at",
        "actor",
        "action",
        "entity",
        "target",
        "workspace_id",
        "team_id",
        "actor_team_ids",
        "reason",
        "details",
        "request_id",
        "generation",
        "hash",
    ];
    agreed.sort_unstable();
    assert_eq!(members, agreed);
    assert_eq!(event["actor"]["id"], member);
    assert_eq!(event["actor"]["kind"], "member");
    assert_eq!(event["workspace_id"], id(&one));
    assert_eq!(event["team_id"], team);
    assert_eq!(event["actor_team_ids"], json!([team]));
    assert_eq!(event["target"], json!({ "id": id(&key), "name": "Nightly Build" }));
    for mut event in events(&service, "").await.body["items"].as_array().unwrap().clone() {
        let hash = event.as_object_mut().unwrap().remove("hash").unwrap();
        assert_eq!(hash, hex::encode(audit::hash(&event).unwrap()));
    }
}

/// Whether an event meets a filter.
type Meets<'a> = Box<dyn Fn(&Value) -> bool + 'a>;

#[tokio::test]
async fn each_filter_and_each_pair_of_them_leaves_what_meets_them() {
    let service = Service::start().await;
    let [one, other, team, member, key] = some_history(&service).await;
    let all = events(&service, "").await;
    let all: Vec<Value> = all.body["items"].as_array().unwrap().clone();
    assert!(all.len() > 6);
    let text = |event: &Value| event.to_string().to_lowercase();
    let filters: Vec<(String, Meets<'_>)> = vec![
        (format!("workspace={}", id(&one)), Box::new(|event| event["workspace_id"] == id(&one))),
        (format!("workspace={}", id(&other)), Box::new(|event| event["workspace_id"] == id(&other))),
        (format!("team={team}&team=team_00000000001"), Box::new(|event| event["team_id"] == *team)),
        (
            format!("actor_team=team_00000000001&actor_team={team}"),
            Box::new(|event| event["actor_team_ids"].as_array().unwrap().contains(&json!(team))),
        ),
        ("action=Update".to_owned(), Box::new(|event| event["action"] == "Update")),
        ("action=Login".to_owned(), Box::new(|_| false)),
        (format!("actor={member}"), Box::new(|event| event["actor"]["id"] == *member)),
        ("entity=API%20Keys".to_owned(), Box::new(|event| event["entity"] == "API Keys")),
        (format!("target={}", id(&key)), Box::new(|event| event["target"]["id"] == id(&key))),
        (format!("target={}", id(&key).to_uppercase()), Box::new(|_| false)),
        (
            "from=2026-01-01T01:00:00Z".to_owned(),
            Box::new(|event| event["at"].as_str() >= Some("2026-01-01T01:00:00Z")),
        ),
        ("to=2026-01-01T01:00:00Z".to_owned(), Box::new(|event| event["at"].as_str() < Some("2026-01-01T01:00:00Z"))),
        (
            "from=2026-01-01T02:00:00%2B01:00&to=2026-01-01T01:00:01Z".to_owned(),
            Box::new(|event| event["at"] == "2026-01-01T01:00:00Z"),
        ),
        ("from=2027-01-01T00:00:00Z&to=2028-01-01T00:00:00Z".to_owned(), Box::new(|_| false)),
        ("q=WEEKLY".to_owned(), Box::new(|event| text(event).contains("weekly"))),
        ("q=4711%20tick*".to_owned(), Box::new(|event| event["reason"] == "ticket #4711")),
        (format!("q={}", id(&key)), Box::new(|event| text(event).contains(&id(&key).to_lowercase()))),
    ];
    let named =
        |query: &str| query.split('&').map(|pair| pair.split('=').next().unwrap().to_owned()).collect::<Vec<_>>();
    for (first, meets_first) in &filters {
        for (second, meets_second) in &filters {
            if first != second && named(first).iter().any(|name| named(second).contains(name)) {
                continue;
            }
            let query = if first == second { first.clone() } else { format!("{first}&{second}") };
            let expected: Vec<u64> = all
                .iter()
                .filter(|event| meets_first(event) && meets_second(event))
                .map(|event| event["seq"].as_u64().unwrap())
                .collect();
            assert_eq!(seqs(&events(&service, &query).await), expected, "{query}");
        }
    }
}

#[tokio::test]
async fn a_range_of_time_holds_however_the_clock_went() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for hours in [5, -3, 4, -6, 1] {
        service.pass_seconds(hours * 3_600 + 1);
        service.key(&workspace, &format!("after {hours}")).await;
    }
    let all = events(&service, "").await;
    for from in -2..8 {
        let at = |hour: i64| {
            let moment = jiff::Timestamp::from_second(1_767_225_600 + hour * 3_600).unwrap();
            moment.to_string()
        };
        let (from, to) = (at(from), at(from + 2));
        let within = |event: &&Value| (from.as_str()..to.as_str()).contains(&event["at"].as_str().unwrap());
        let expected: Vec<u64> = all.body["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(within)
            .map(|event| event["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seqs(&events(&service, &format!("from={from}&to={to}")).await), expected, "{from}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_while_events_come() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for number in 0..7 {
        service.key(&workspace, &format!("key {number}")).await;
    }
    let query = format!("/v1/audit/events?workspace={}&action=Create", id(&workspace));
    let whole = seqs(&events(&service, &format!("workspace={}&action=Create", id(&workspace))).await);
    let mut found = Vec::new();
    let mut page = service.get(&format!("{query}&limit=3")).await.is(200);
    loop {
        found.extend(seqs(&page));
        service.key(&workspace, &format!("later {}", found.len())).await;
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        assert_eq!(seqs(&page).len(), 3);
        page = service.get(&format!("{query}&limit=3&cursor={cursor}")).await.is(200);
    }
    assert_eq!(found, whole);
    assert!(found.is_sorted_by(|a, b| a > b));

    // A cursor belongs to its filter.
    let cursor = service.get(&format!("{query}&limit=3")).await.text("next_cursor").to_owned();
    let elsewhere = service.get(&format!("/v1/audit/events?action=Create&cursor={cursor}")).await;
    elsewhere.is_problem(400, "bad_parameter", Some("cursor"));
    let (_, token) = service.somebody(&workspace, "owner").await;
    let by_another = service.request(Method::GET, &format!("{query}&cursor={cursor}")).bearer(&token);
    by_another.send().await.is_problem(400, "bad_parameter", Some("cursor"));
}

#[tokio::test]
async fn what_was_pruned_is_not_listed_and_has_its_proof_still() {
    let service = Service::start().await;
    let [one, ..] = some_history(&service).await;
    let all = seqs(&events(&service, "").await);
    service.behind("UPDATE audit_log SET pruned = 3").await;
    let left: Vec<u64> = all.into_iter().filter(|&seq| seq > 3).collect();
    assert_eq!(seqs(&events(&service, "").await), left, "gone at once, row by row or not");
    assert!(seqs(&events(&service, &format!("workspace={}", id(&one))).await).iter().all(|seq| left.contains(seq)));
    service.behind("DELETE FROM audit_event WHERE seq <= 3").await;
    service.behind("DELETE FROM audit_search WHERE rowid <= 3").await;
    assert_eq!(seqs(&events(&service, "q=acme*").await), seqs(&events(&service, "q=acme").await));
    service.get("/v1/audit/proof?seq=2").await.is(200);
    // Whose it was is not known any more.
    let (_, token) = service.somebody(&one, "owner").await;
    let proof = service.request(Method::GET, "/v1/audit/proof?seq=2").bearer(&token).send().await;
    proof.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn members_read_what_happened_in_their_workspace_and_nothing_else() {
    let service = Service::start().await;
    let [one, other, team, member, key] = some_history(&service).await;
    let (_, token) = service.somebody(&other, "owner").await;
    let ask = async |path: &str| service.request(Method::GET, path).bearer(&token).send().await;
    let own = ask("/v1/audit/events?limit=200").await.is(200);
    let expected = seqs(&events(&service, &format!("workspace={}", id(&other))).await);
    assert_eq!(seqs(&own), expected);
    assert!(!expected.is_empty());
    assert_eq!(seqs(&ask(&format!("/v1/audit/events?limit=200&workspace={}", id(&other))).await), expected);
    for nothing in [
        format!("team={team}"),
        format!("actor={member}"),
        format!("target={}", id(&key)),
        "q=nightly".to_owned(),
        "entity=Settings".to_owned(),
    ] {
        let found = ask(&format!("/v1/audit/events?{nothing}")).await.is(200);
        assert_eq!(seqs(&found), [0; 0], "{nothing}");
        assert!(!seqs(&events(&service, &nothing).await).is_empty(), "{nothing}");
    }
    let refused = ask(&format!("/v1/audit/events?workspace={}", id(&one))).await;
    refused.is_problem(404, "not_found", None);
    ask("/v1/audit/events?workspace=ws_00000000001").await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn what_is_wrong_with_a_filter_is_named() {
    let service = Service::start().await;
    for (query, code, field) in [
        ("workspace=Acme", "bad_parameter", Some("workspace")),
        ("team=ws_00000000001", "bad_parameter", Some("team")),
        ("actor_team=", "bad_parameter", Some("actor_team")),
        ("action=update", "bad_parameter", Some("action")),
        ("entity=Keys", "bad_parameter", Some("entity")),
        ("actor=", "bad_parameter", Some("actor")),
        ("target=", "bad_parameter", Some("target")),
        ("from=yesterday", "bad_parameter", Some("from")),
        ("to=2026-01-01", "bad_parameter", Some("to")),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "bad_parameter", Some("to")),
        ("q=", "bad_parameter", Some("q")),
        ("q=%22", "bad_parameter", Some("q")),
        ("q=ke*", "bad_parameter", Some("q")),
        ("q=key_*", "bad_parameter", Some("q")),
        ("q=abc*+def*+ghi*", "bad_parameter", Some("q")),
        ("limit=0", "bad_parameter", Some("limit")),
        ("limit=201", "bad_parameter", Some("limit")),
        ("cursor=x", "bad_parameter", Some("cursor")),
        ("action=Create&action=Update", "bad_parameter", Some("action")),
        ("sort=at", "unknown_parameter", Some("sort")),
    ] {
        service.get(&format!("/v1/audit/events?{query}")).await.is_problem(400, code, field);
    }
    let teams = "team=team_00000000001&".repeat(21);
    service.get(&format!("/v1/audit/events?{teams}")).await.is_problem(400, "bad_parameter", Some("team"));
    let longest = "%C3%B1".repeat(64);
    for name in ["actor", "target"] {
        service.get(&format!("/v1/audit/events?{name}={longest}")).await.is(200);
        let longer = service.get(&format!("/v1/audit/events?{name}={longest}x")).await;
        longer.is_problem(400, "bad_parameter", Some(name));
    }
    let words = "a%20".repeat(17);
    service.get(&format!("/v1/audit/events?q={words}")).await.is_problem(400, "bad_parameter", Some("q"));
}

#[tokio::test]
async fn no_text_is_the_language_of_the_index() {
    let service = Service::start().await;
    service.workspace("Acme").await;
    for hostile in [
        "\"acme",
        "acme\" OR \"x",
        "words : acme",
        "{facets} : x",
        "acme NOT acme",
        "NEAR(acme, 1)",
        "^acme",
        "(((((acme",
        "acme\u{0}",
        "acme'); DROP TABLE audit_event; --",
        "acme + x",
        "-acme",
        "*acme",
        "ÄÖ acme \u{202e}",
    ] {
        let query: String = form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
        for name in ["q", "actor", "target"] {
            service.get(&format!("/v1/audit/events?{name}={query}")).await.is(200);
        }
    }
    let most = "team=team_00000000001&actor_team=team_00000000001&".repeat(20);
    let words: Vec<String> =
        (0..16).map(|number| format!("word{number}{}", if number < 2 { "*" } else { "" })).collect();
    service.get(&format!("/v1/audit/events?{most}q={}", words.join("+"))).await.is(200);
}
