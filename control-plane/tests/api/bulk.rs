//! `/v1/workspaces/{ws}/keys/bulk`.

mod found;

use axum::http::Method;
use serde_json::{Value, json};

use crate::mutations::Mutation;
use crate::service::{Reply, Service};

fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

async fn bulk(service: &Service, workspace: &str, body: Value) -> Reply {
    service.post(&format!("{workspace}/keys/bulk"), body).await
}

async fn status(service: &Service, key: &str) -> String {
    service.get(key).await.is(200).text("status").to_owned()
}

#[tokio::test]
async fn keys_are_disabled_enabled_and_deleted_by_ids() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (one, two) = (service.key(&workspace, "one").await, service.key(&workspace, "two").await);
    service.post(&format!("{two}/archive"), json!({})).await.is(200);
    let ids = json!([id(&one), "key_00000000001", id(&two)]);
    let done = bulk(&service, &workspace, json!({ "ids": ids, "action": "disable" })).await.is(200);
    let generation = done.body["generation"].clone();
    assert!(generation.is_u64());
    let expected = json!({
        "action": "disable",
        "matched": 2,
        "changed": 1,
        "more": false,
        "next_cursor": null,
        "keys": [
            { "id": id(&one), "name": "one", "outcome": "changed" },
            { "id": "key_00000000001", "name": null, "outcome": "refused", "code": "not_found" },
            { "id": id(&two), "name": "two", "outcome": "refused", "code": "key_archived" },
        ],
        "generation": generation,
    });
    assert_eq!(done.body, expected);
    assert_eq!(status(&service, &one).await, "disabled");
    let again = bulk(&service, &workspace, json!({ "ids": [id(&one)], "action": "disable" })).await.is(200);
    assert_eq!(again.body["keys"], json!([{ "id": id(&one), "name": "one", "outcome": "unchanged" }]));
    bulk(&service, &workspace, json!({ "ids": [id(&one)], "action": "enable" })).await.is(200);
    assert_eq!(status(&service, &one).await, "active");
    let body = json!({ "ids": [id(&one), id(&two)], "action": "delete", "reason": "moved away" });
    let done = bulk(&service, &workspace, body).await.is(200);
    assert_eq!(done.body["changed"], 2);
    let (action, entity, reason, request) = service.last_event().await;
    assert_eq!((action.as_str(), entity.as_str(), reason.as_deref()), ("Delete", "API Keys", Some("moved away")));
    assert_eq!(request, done.header("x-request-id"));
    for key in [one, two] {
        service.get(&key).await.is_problem(404, "not_found", None);
    }
}

#[tokio::test]
async fn keys_are_found_by_the_filters_of_the_list() {
    let service = Service::start().await;
    service.put("/v1/apis/data", json!({})).await.is(201);
    let workspace = service.workspace("Acme").await;
    for (name, change) in [
        ("plain", json!({})),
        ("test", json!({ "environment": "test" })),
        ("narrow", json!({ "apis": ["data"], "access": "read-only" })),
        ("named", json!({ "external_id": "42" })),
        ("ends", json!({ "expires_at": "2026-06-01T00:00:00Z" })),
        ("due", json!({ "rotate_every_days": 1 })),
    ] {
        let mut body = json!({ "name": name, "access": "read-write", "apis": ["*"] });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        service.post(&format!("{workspace}/keys"), body).await.is(201);
    }
    service.pass_seconds(86_400);
    let list = service.get(&format!("{workspace}/keys?name=plain")).await.is(200);
    let member = list.body["items"][0]["member"]["id"].clone();
    for (filter, found) in [
        (json!({ "name": "plain" }), &["plain"][..]),
        (json!({ "environment": "test" }), &["test"]),
        (json!({ "access": "read-only" }), &["narrow"]),
        (json!({ "api": "data", "access": "read-only" }), &["narrow"]),
        (json!({ "external_id": "42" }), &["named"]),
        (json!({ "expires_before": "2026-07-01T00:00:00Z" }), &["ends"]),
        (json!({ "rotation_due": true }), &["due"]),
        (json!({ "status": "active" }), &["due", "ends", "named", "narrow", "plain", "test"]),
        (json!({ "member": member }), &["due", "ends", "named", "narrow", "plain", "test"]),
        (json!({ "last_used_before": "2026-01-01T00:00:01Z", "name": "due" }), &["due"]),
        (json!({ "last_used_before": "2026-01-01T00:00:00Z" }), &[]),
        (json!({ "status": "expired" }), &[]),
        // It is said of them that they are disabled, so there is nothing to disable.
        (json!({ "status": "disabled" }), &[]),
        (json!({ "name": null, "status": "active", "external_id": "42" }), &["named"]),
    ] {
        let body = json!({ "filter": filter, "action": "disable", "dry_run": true });
        let shown = bulk(&service, &workspace, body).await.is(200);
        let mut names: Vec<_> =
            shown.body["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, found, "{filter}");
        assert_eq!((&shown.body["matched"], &shown.body["changed"]), (&json!(found.len()), &json!(found.len())));
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_gives_the_tag_to_do_just_that() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let events = service.audit_events().await;
    let body = |dry_run: bool| json!({ "filter": { "access": "read-write" }, "action": "disable", "dry_run": dry_run });
    let shown = bulk(&service, &workspace, body(true)).await.is(200);
    assert_eq!(shown.body["keys"], json!([{ "id": id(&key), "name": "one", "outcome": "changed" }]));
    assert_eq!(shown.body["usage_known_until"], Value::Null);
    assert!(shown.body.get("usage_known_until").is_some() && shown.body.get("generation").is_none());
    assert_eq!(shown.body["usage_complete"], Value::Null, "it is not asked for");
    assert_eq!(shown.text("etag"), shown.header("etag"));
    assert_eq!(service.audit_events().await, events);
    assert_eq!(status(&service, &key).await, "active");

    let act = |tag: &str| {
        let call = service.request(Method::POST, &format!("{workspace}/keys/bulk")).header("if-match", tag);
        call.json(&body(false)).send()
    };
    let tag = shown.header("etag").to_owned();
    service.key(&workspace, "made between").await;
    act(&tag).await.is_problem(412, "precondition_failed", None);
    assert_eq!(status(&service, &key).await, "active");
    let shown = bulk(&service, &workspace, body(true)).await.is(200);
    let done = act(shown.header("etag")).await.is(200);
    assert_eq!(done.body["keys"], shown.body["keys"]);
    assert_eq!(status(&service, &key).await, "disabled");
    act(shown.header("etag")).await.is_problem(412, "precondition_failed", None);
}

#[tokio::test]
async fn what_is_wrong_with_a_bulk_change_is_named_and_nothing_happens() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let ids = json!([id(&key)]);
    let many: Vec<String> = (0..1_001).map(|number| format!("key_{number:011}")).collect();
    let events = service.audit_events().await;
    for (body, field) in [
        (json!({}), "action"),
        (json!({ "action": "disable" }), "ids"),
        (json!({ "action": "archive", "ids": ids }), "action"),
        (json!({ "action": "disable", "ids": [] }), "ids"),
        (json!({ "action": "disable", "ids": many }), "ids"),
        (json!({ "action": "disable", "ids": "*" }), "ids"),
        (json!({ "action": "disable", "ids": [id(&key), "one"] }), "ids[1]"),
        (json!({ "action": "disable", "ids": [id(&key), id(&key)] }), "ids[1]"),
        (json!({ "action": "disable", "ids": ids, "filter": { "name": "one" } }), "filter"),
        (json!({ "action": "disable", "ids": ids, "cursor": "x" }), "cursor"),
        (json!({ "action": "disable", "ids": ids, "dry_run": "yes" }), "dry_run"),
        (json!({ "action": "disable", "ids": ids, "reason": "a\nb" }), "reason"),
        (json!({ "action": "disable", "ids": ids, "x": 1 }), "x"),
        (json!({ "action": "disable", "filter": {} }), "filter"),
        (json!({ "action": "disable", "filter": { "name": null } }), "filter"),
        (json!({ "action": "disable", "filter": { "sort": "name" } }), "filter.sort"),
        (json!({ "action": "disable", "filter": { "status": "gone" } }), "filter.status"),
        (json!({ "action": "disable", "filter": { "name": "a".repeat(101) } }), "filter.name"),
        (json!({ "action": "disable", "filter": { "external_id": "a".repeat(256) } }), "filter.external_id"),
        (json!({ "action": "disable", "filter": { "member": "one" } }), "filter.member"),
        (json!({ "action": "disable", "filter": { "last_used_before": "90 days ago" } }), "filter.last_used_before"),
        (json!({ "action": "disable", "filter": { "rotation_due": "true" } }), "filter.rotation_due"),
        (json!({ "action": "disable", "filter": { "name": "one" }, "cursor": "x" }), "cursor"),
    ] {
        for dry_run in [false, true] {
            let mut body = body.clone();
            if dry_run && body.get("dry_run").is_none() {
                body["dry_run"] = json!(true);
            }
            let refused = bulk(&service, &workspace, body.clone()).await;
            assert_eq!(refused.body["field"], field, "{body}: {}", refused.body);
            refused.is_problem(422, "invalid", Some(field));
        }
    }
    let body = json!({ "action": "delete", "ids": ids });
    let path = format!("{workspace}/keys/bulk");
    let query = service.post(&format!("{path}?dry_run=true"), body.clone()).await;
    query.is_problem(400, "unknown_parameter", Some("dry_run"));
    service.get(&path).await.is_problem(405, "method_not_allowed", None);
    bulk(&service, "/v1/workspaces/ws_00000000001", body).await.is_problem(404, "not_found", None);
    assert_eq!(service.audit_events().await, events);
    assert_eq!(status(&service, &key).await, "active");
}

#[tokio::test]
async fn members_change_the_keys_they_see() {
    let service = Service::start().await;
    let (workspace, other) = (service.workspace("Acme").await, service.workspace("Other").await);
    let key = service.key(&workspace, "another's").await;
    let path = format!("{workspace}/keys/bulk");
    let body = json!({ "ids": [id(&key)], "action": "disable" });
    let ask =
        |token: &str, path: &str, body: &Value| service.request(Method::POST, path).bearer(token).json(body).send();
    for role in ["staff", "read-only"] {
        let (_, token) = service.somebody(&workspace, role).await;
        let done = ask(&token, &path, &body).await.is(200);
        let missing = json!([{ "id": id(&key), "name": null, "outcome": "refused", "code": "not_found" }]);
        assert_eq!((&done.body["keys"], &done.body["matched"]), (&missing, &json!(0)), "{role}");
        let all = json!({ "filter": { "status": "active" }, "action": "delete" });
        assert_eq!(ask(&token, &path, &all).await.is(200).body["keys"], json!([]), "{role}");
    }
    let (_, lite) = service.somebody(&workspace, "lite").await;
    ask(&lite, &path, &body).await.is_problem(404, "not_found", None);
    assert_eq!(status(&service, &key).await, "active");
    for role in ["admin", "owner"] {
        let (_, token) = service.somebody(&workspace, role).await;
        ask(&token, &format!("{other}/keys/bulk"), &body).await.is_problem(404, "not_found", None);
        let done = ask(&token, &path, &json!({ "ids": [id(&key)], "action": "disable" })).await.is(200);
        assert_eq!(done.body["matched"], 1, "{role}");
    }
    assert_eq!(status(&service, &key).await, "disabled");
}

#[tokio::test]
async fn a_key_above_its_member_is_refused_as_a_request_for_it_alone_would_be() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let member = service.member(&workspace, "staff").await;
    let mut keys = Vec::new();
    for (name, access) in [("stopped", "read-write"), ("running", "read-write"), ("reads", "read-only")] {
        let body = json!({ "name": name, "access": access, "apis": ["*"], "member_id": member });
        keys.push(service.post(&format!("{workspace}/keys"), body).await.is(201).header("location").to_owned());
    }
    for key in [&keys[0], &keys[2]] {
        service.post(&format!("{key}/disable"), json!({})).await.is(200);
    }
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    let ids: Vec<&str> = keys.iter().map(|key| id(key)).collect();
    let done = bulk(&service, &workspace, json!({ "ids": ids, "action": "enable" })).await.is(200);
    let told = done.body["keys"].as_array().unwrap();
    for (key, told) in keys.iter().zip(told) {
        let alone = service.post(&format!("{key}/enable"), json!({})).await;
        assert_eq!(told.get("code").unwrap_or(&Value::Null), alone.body.get("code").unwrap_or(&Value::Null), "{told}");
    }
    let outcomes: Vec<_> = told.iter().map(|key| (key["outcome"].as_str(), key["code"].as_str())).collect();
    let above = (Some("refused"), Some("above_member"));
    assert_eq!(outcomes, [above, above, (Some("changed"), None)]);
    assert_eq!(status(&service, &keys[0]).await, "disabled");
    assert_eq!(status(&service, &keys[2]).await, "active");
    // What is found by a filter is told the same.
    let body = json!({ "filter": { "access": "read-write" }, "action": "enable", "dry_run": true });
    let shown = bulk(&service, &workspace, body).await.is(200);
    assert_eq!((&shown.body["changed"], &shown.body["keys"][0]["code"]), (&json!(0), &json!("above_member")));
    // To stop and to end is always possible.
    for action in ["disable", "delete"] {
        let done = bulk(&service, &workspace, json!({ "ids": [ids[1]], "action": action })).await.is(200);
        assert_eq!(done.body["changed"], 1, "{action}");
    }
}

#[tokio::test]
async fn by_last_use_that_nobody_knows_of_only_what_was_looked_at_is_changed() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "in use").await;
    service.pass_seconds(1);
    let body = |dry_run: bool| {
        let filter = json!({ "last_used_before": "2026-01-01T00:00:01Z", "status": "active" });
        json!({ "filter": filter, "action": "delete", "dry_run": dry_run })
    };
    let act = |tag: &str| {
        let call = service.request(Method::POST, &format!("{workspace}/keys/bulk")).header("if-match", tag);
        call.json(&body(false)).send()
    };
    let field = Some("filter.last_used_before");
    bulk(&service, &workspace, body(false)).await.is_problem(422, "invalid", field);
    act("*").await.is_problem(422, "invalid", field);
    let version = service.get(&workspace).await.header("etag").to_owned();
    let shown = bulk(&service, &workspace, body(true)).await.is(200);
    assert_eq!((&shown.body["changed"], &shown.body["usage_known_until"]), (&json!(1), &Value::Null));
    assert_eq!(shown.body["usage_complete"], false);
    let preview = shown.header("etag").to_owned();
    for tags in [version.clone(), format!("{version}, {preview}")] {
        act(&tags).await.is_problem(422, "invalid", field);
    }
    assert_eq!(status(&service, &key).await, "active");
    assert_eq!(act(&preview).await.is(200).body["keys"], shown.body["keys"]);
    service.get(&key).await.is_problem(404, "not_found", None);
}

/// Every bulk change.
pub(crate) async fn mutations(service: &Service) -> Vec<Mutation> {
    let workspace = service.workspace("Keys that change together").await;
    let key = service.key(&workspace, "one").await;
    let bulk = |body: Value| Mutation::new(Method::POST, format!("{workspace}/keys/bulk"), body);
    vec![
        bulk(json!({ "ids": [id(&key)], "action": "disable" })),
        bulk(json!({ "filter": { "status": "disabled" }, "action": "enable" })),
        bulk(json!({ "ids": [id(&key)], "action": "delete" })),
    ]
}
