//! Teams over REST: what one is, who sees it, and what its end leaves.

use axum::http::Method;
use serde_json::json;

use crate::members::{add, id};
use crate::mutations::Mutation;
use crate::service::Service;

async fn team(service: &Service, workspace: &str, name: &str) -> String {
    let made = service.post(&format!("{workspace}/teams"), json!({ "name": name })).await.is(201);
    made.header("location").to_owned()
}

#[tokio::test]
async fn a_team_reads_as_the_contract_words_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let teams = format!("{workspace}/teams");
    let made = service.post(&teams, json!({ "name": "Support", "external_id": "ldap-1" })).await.is(201);
    let path = made.header("location").to_owned();
    let read = service.get(&path).await.is(200);
    assert_eq!(
        read.body,
        json!({
            "id": made.text("id"), "name": "Support", "external_id": "ldap-1",
            "created_at": "2026-01-01T00:00:00Z", "version": 1,
        })
    );
    assert_eq!(read.header("etag"), made.header("etag"));
    assert!(made.body["generation"].is_u64());
    let (action, entity, ..) = service.last_event().await;
    assert_eq!((action.as_str(), entity.as_str()), ("Create", "Teams"));

    service.post(&teams, json!({ "name": "Support" })).await.is_problem(409, "name_taken", Some("name"));
    let other = team(&service, &workspace, "Sales").await;
    service.patch(&other, json!({ "name": "Support" })).await.is_problem(409, "name_taken", Some("name"));
    let changed = service.patch(&path, json!({ "name": "Help", "external_id": null })).await.is(200);
    assert_eq!((changed.text("name"), &changed.body["external_id"]), ("Help", &json!(null)));
    for (wrong, field) in [
        (json!({ "name": "" }), "name"),
        (json!({ "name": null }), "name"),
        (json!({ "external_id": "" }), "external_id"),
        (json!({ "members": [] }), "members"),
    ] {
        service.patch(&path, wrong).await.is_problem(422, "invalid", Some(field));
    }
    service.pass_seconds(1);
    let newest = team(&service, &workspace, "Support").await;
    let listed = service.get(&format!("{teams}?limit=1")).await.is(200);
    assert_eq!(listed.body["items"][0]["id"], json!(id(&newest)));
    assert!(listed.body["next_cursor"].is_string());
    let named = service.get(&format!("{teams}?name=Help")).await.is(200);
    assert_eq!(named.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(named.body["items"][0]["id"], json!(id(&path)));
    service.get(&format!("{teams}?member=x")).await.is_problem(400, "unknown_parameter", Some("member"));
}

#[tokio::test]
async fn a_key_belongs_to_one_member_and_if_wanted_to_a_team() {
    let service = Service::start().await;
    let (workspace, elsewhere) = (service.workspace("Acme").await, service.workspace("Other").await);
    let (ours, theirs) = (team(&service, &workspace, "a").await, team(&service, &elsewhere, "a").await);
    let member = add(&service, &workspace, "staff").await;
    let keys = format!("{workspace}/keys");
    let mut body = json!({ "name": "one", "access": "read-only", "apis": ["*"], "member_id": id(&member) });
    let alone = service.post(&keys, body.clone()).await.is(201);
    assert_eq!(alone.body["key"]["team_id"], json!(null));
    assert_eq!(alone.body["key"]["member"]["id"], json!(id(&member)));
    body["name"] = json!("two");
    body["team_id"] = json!(id(&theirs));
    service.post(&keys, body.clone()).await.is_problem(422, "invalid", Some("team_id"));
    body["team_id"] = json!(id(&ours));
    let made = service.post(&keys, body).await.is(201);
    let listed = service.get(&format!("{keys}?team={}", id(&ours))).await.is(200);
    assert_eq!(listed.body["items"], json!([made.body["key"]]));
}

#[tokio::test]
async fn a_team_that_is_deleted_leaves_its_keys() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (gone, stays) = (team(&service, &workspace, "gone").await, team(&service, &workspace, "stays").await);
    let member = add(&service, &workspace, "staff").await;
    service.patch(&member, json!({ "team_ids": [id(&gone), id(&stays)] })).await.is(200);
    let mut keys = Vec::new();
    for (name, team) in [("one", &gone), ("two", &gone), ("three", &stays)] {
        let body = json!({ "name": name, "access": "read-only", "apis": ["*"], "team_id": id(team) });
        keys.push(service.post(&format!("{workspace}/keys"), body).await.is(201).header("location").to_owned());
    }
    let before = service.audit_events().await;
    service.delete(&gone).await.is(200);
    assert_eq!(service.audit_events().await, before + 3);
    for (key, team, version) in
        [(&keys[0], json!(null), 2), (&keys[1], json!(null), 2), (&keys[2], json!(id(&stays)), 1)]
    {
        let read = service.get(key).await.is(200);
        assert_eq!((&read.body["team_id"], &read.body["version"]), (&team, &json!(version)));
        assert_eq!(read.text("status"), "active");
    }
    let read = service.get(&member).await.is(200);
    assert_eq!((&read.body["team_ids"], &read.body["version"]), (&json!([id(&stays)]), &json!(3)));
    service.get(&gone).await.is_problem(404, "not_found", None);
    service.patch(&gone, json!({})).await.is_problem(404, "not_found", None);
    team(&service, &workspace, "gone").await;
}

#[tokio::test]
async fn members_below_admins_see_the_teams_they_are_in() {
    let service = Service::start().await;
    let (workspace, elsewhere) = (service.workspace("Acme").await, service.workspace("Other").await);
    let teams = format!("{workspace}/teams");
    let (ours, others) = (team(&service, &workspace, "ours").await, team(&service, &workspace, "others").await);
    let abroad = team(&service, &elsewhere, "abroad").await;
    for role in ["staff", "read-only", "lite", "admin", "owner"] {
        let sees_all = matches!(role, "admin" | "owner");
        let (member, token) = service.somebody(&workspace, role).await;
        service.patch(&format!("{workspace}/members/{member}"), json!({ "team_ids": [id(&ours)] })).await.is(200);
        let ask = |method: Method, path: &str| service.request(method, path).bearer(&token);
        let listed = ask(Method::GET, &teams).send().await.is(200);
        assert_eq!(listed.body["items"].as_array().unwrap().len(), if sees_all { 2 } else { 1 }, "{role}");
        ask(Method::GET, &ours).send().await.is(200);
        ask(Method::GET, &others).send().await.is(if sees_all { 200 } else { 404 });
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            for path in [&abroad, &abroad.replace(&elsewhere, &workspace)] {
                ask(method.clone(), path).json(&json!({})).send().await.is_problem(404, "not_found", None);
            }
        }
        let (new, rename) = (json!({ "name": role }), json!({ "name": format!("ours, {role}") }));
        let (makes, edits) = if sees_all { (201, 200) } else { (403, 403) };
        let made = ask(Method::POST, &teams).json(&new).send().await.is(makes);
        ask(Method::PATCH, &ours).json(&rename).send().await.is(edits);
        if sees_all {
            ask(Method::DELETE, made.header("location")).send().await.is(200);
        } else {
            ask(Method::DELETE, &ours).send().await.is(403);
        }
    }
}

pub(crate) async fn mutations(service: &Service) -> Vec<Mutation> {
    let workspace = service.workspace("Teams that change").await;
    let path = team(service, &workspace, "one").await;
    vec![
        Mutation::new(Method::POST, format!("{workspace}/teams"), json!({ "name": "new" })),
        Mutation::new(Method::PATCH, &path, json!({ "name": "two" })),
        Mutation::new(Method::DELETE, &path, json!({})),
    ]
}
