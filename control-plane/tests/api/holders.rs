//! With whom a key may be: never with a member who may not have it, whoever acts.

use axum::http::Method;
use serde_json::{Value, json};

use crate::service::{Reply, Service};

fn key(name: &str, access: &str, member: &str) -> Value {
    json!({ "name": name, "access": access, "apis": ["*"], "member_id": member })
}

/// Makes a key that belongs to this member and tells its path.
async fn key_of(service: &Service, workspace: &str, access: &str, member: &str) -> String {
    let made = service.post(&format!("{workspace}/keys"), key(&format!("{member}'s"), access, member)).await;
    made.is(201).header("location").to_owned()
}

async fn ask(service: &Service, token: &str, method: Method, path: &str, body: &Value) -> Reply {
    service.request(method, path).bearer(token).json(body).send().await
}

/// Tokens of all who may give keys to others.
async fn managers(service: &Service, workspace: &str) -> [String; 3] {
    let operator = service.token(None, &[]).await;
    [operator, service.somebody(workspace, "owner").await.1, service.somebody(workspace, "admin").await.1]
}

#[tokio::test]
async fn a_key_is_given_to_another_member() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let one = service.key(&workspace, "one").await;
    let (staff, staffs) = service.somebody(&workspace, "staff").await;
    let (reader, readers) = service.somebody(&workspace, "read-only").await;
    service.request(Method::GET, &one).bearer(&staffs).send().await.is_problem(404, "not_found", None);
    let given = service.patch(&one, json!({ "member_id": staff })).await.is(200);
    assert_eq!(given.body["key"]["member"], json!({ "id": staff, "name": "staff", "role": "staff" }));
    assert_eq!(given.body["key"]["version"], 2);
    let read = service.request(Method::GET, &one).bearer(&staffs).send().await.is(200);
    assert_eq!((&read.body, read.header("etag")), (&given.body["key"], given.header("etag")));

    let lowered = json!({ "member_id": reader, "access": "read-only" });
    let given = service.patch(&one, lowered).await.is(200);
    assert_eq!(given.body["key"]["member"]["id"], json!(reader));
    service.request(Method::GET, &one).bearer(&staffs).send().await.is_problem(404, "not_found", None);
    service.request(Method::GET, &one).bearer(&readers).send().await.is(200);
    let listed = service.get(&format!("{keys}?member={reader}")).await.is(200);
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
    // To whom it belongs already, and nothing changes.
    let same = service.patch(&one, json!({ "member_id": reader })).await.is(200);
    assert_eq!(same.body["key"]["version"], 3);
}

#[tokio::test]
async fn a_key_is_given_to_nobody_who_is_not_there() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let abroad = service.workspace("Other").await;
    let one = service.key(&workspace, "one").await;
    let foreign = service.member(&abroad, "staff").await;
    for member in [foreign.as_str(), "mem_00000000001"] {
        let refused = service.patch(&one, json!({ "member_id": member })).await;
        refused.is_problem(422, "invalid", Some("member_id"));
        assert_eq!(refused.body["fault"], "unknown");
        let refused = service.post(&format!("{workspace}/keys"), key("two", "read-only", member)).await;
        refused.is_problem(422, "invalid", Some("member_id"));
        assert_eq!(refused.body["fault"], "unknown");
    }
    for wrong in [Value::Null, json!("nobody"), json!(7), json!("ws_00000000001")] {
        service.patch(&one, json!({ "member_id": wrong })).await.is_problem(422, "invalid", Some("member_id"));
    }
    assert_eq!(service.get(&one).await.is(200).body["version"], 1);
}

#[tokio::test]
async fn nobody_leaves_a_key_with_a_member_who_may_not_have_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    let keys = format!("{workspace}/keys");
    let writes = service.key(&workspace, "writes").await;
    let reads = service.post(&keys, json!({ "name": "reads", "access": "read-only", "apis": ["*"] })).await.is(201);
    let reads = reads.header("location");
    for manager in managers(&service, &workspace).await {
        for (role, access, field) in [
            ("lite", "read-only", "member_id"),
            ("lite", "read-write", "member_id"),
            ("read-only", "read-write", "access"),
            ("staff", "read-write", "access"),
        ] {
            let member = service.member(&workspace, role).await;
            let path = if access == "read-only" { reads } else { &writes };
            for refused in [
                ask(&service, &manager, Method::POST, &keys, &key("new", access, &member)).await,
                ask(&service, &manager, Method::PATCH, path, &json!({ "member_id": member })).await,
            ] {
                refused.is_problem(422, "invalid", Some(field));
                assert_eq!(refused.body["fault"], "conflicting", "{role} {access}");
            }
        }
        for (role, access) in [("read-only", "read-only"), ("staff", "read-only"), ("admin", "read-write")] {
            let member = service.member(&workspace, role).await;
            let path = if access == "read-only" { reads } else { &writes };
            let made = ask(&service, &manager, Method::POST, &keys, &key(&member, access, &member)).await;
            made.is(201);
            ask(&service, &manager, Method::PATCH, path, &json!({ "member_id": member })).await.is(200);
        }
    }
}

#[tokio::test]
async fn nobody_raises_the_key_of_a_read_only_member() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (member, own) = service.somebody(&workspace, "read-only").await;
    let path = key_of(&service, &workspace, "read-only", &member).await;
    let raise = json!({ "access": "read-write" });
    for manager in managers(&service, &workspace).await {
        let refused = ask(&service, &manager, Method::PATCH, &path, &raise).await;
        refused.is_problem(422, "invalid", Some("access"));
    }
    ask(&service, &own, Method::PATCH, &path, &raise).await.is_problem(403, "forbidden", None);
    assert_eq!(service.get(&path).await.body["access"], "read-only");
}

#[tokio::test]
async fn staff_of_a_read_only_policy_raise_no_key() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (member, own) = service.somebody(&workspace, "staff").await;
    let path = key_of(&service, &workspace, "read-only", &member).await;
    let (raise, lower) = (json!({ "access": "read-write" }), json!({ "access": "read-only" }));
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    ask(&service, &own, Method::PATCH, &path, &raise).await.is_problem(403, "forbidden", None);
    for manager in managers(&service, &workspace).await {
        let refused = ask(&service, &manager, Method::PATCH, &path, &raise).await;
        refused.is_problem(422, "invalid", Some("access"));
    }
    // With the right to have made it so, they raise it.
    service.patch(&workspace, json!({ "staff_max_access": "read-write" })).await.is(200);
    ask(&service, &own, Method::PATCH, &path, &raise).await.is(200);
    ask(&service, &own, Method::PATCH, &path, &lower).await.is(200);
}

#[tokio::test]
async fn staff_have_read_write_keys_unless_the_workspace_says_read_only() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    assert_eq!(service.get(&workspace).await.body["staff_max_access"], "read-write");
    let keys = format!("{workspace}/keys");
    let (member, own) = service.somebody(&workspace, "staff").await;
    for access in ["read-only", "read-write"] {
        let body = json!({ "name": access, "access": access, "apis": ["*"] });
        let made = ask(&service, &own, Method::POST, &keys, &body).await.is(201);
        assert_eq!(made.body["key"]["member"]["id"], json!(member));
    }
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    let body = |name: &str, access: &str| json!({ "name": name, "access": access, "apis": ["*"] });
    ask(&service, &own, Method::POST, &keys, &body("more", "read-only")).await.is(201);
    let refused = ask(&service, &own, Method::POST, &keys, &body("most", "read-write")).await;
    refused.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn a_key_above_its_member_is_neither_started_nor_given_a_new_secret() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let member = service.member(&workspace, "staff").await;
    let path = key_of(&service, &workspace, "read-write", &member).await;
    let grace = json!({ "grace_seconds": 600 });
    service.post(&format!("{path}/rotate"), grace.clone()).await.is(200);
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    for manager in managers(&service, &workspace).await {
        let ask = async |verb: &str, body: &Value| {
            ask(&service, &manager, Method::POST, &format!("{path}/{verb}"), body).await
        };
        ask("disable", &json!({})).await.is(200);
        ask("rotation/pause", &json!({})).await.is(200);
        for (verb, body) in [
            ("enable", json!({})),
            ("rotation/resume", json!({})),
            ("rotation/cancel", json!({})),
            ("rotation/extend", grace.clone()),
            ("rotate", json!({ "grace_seconds": 0 })),
        ] {
            ask(verb, &body).await.is_problem(409, "above_member", None);
        }
    }
    service.patch(&path, json!({ "name": "renamed" })).await.is(200);
    // Given to who may have it, it goes on; lowered, it may come back.
    let admin = service.member(&workspace, "admin").await;
    service.patch(&path, json!({ "member_id": admin })).await.is(200);
    service.post(&format!("{path}/enable"), json!({})).await.is(200);
    let back = json!({ "member_id": member });
    service.patch(&path, back.clone()).await.is_problem(422, "invalid", Some("access"));
    service.patch(&path, json!({ "access": "read-only" })).await.is(200);
    service.patch(&path, back).await.is(200);
    service.post(&format!("{path}/rotation/finish"), json!({})).await.is(200);
    service.post(&format!("{path}/rotate"), grace).await.is(200);
}

#[tokio::test]
async fn staff_name_only_teams_that_they_are_in() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let (member, own) = service.somebody(&workspace, "staff").await;
    let (_, admins) = service.somebody(&workspace, "admin").await;
    let (mine, others) =
        (service.team_with(&workspace, Some(&member)).await, service.team_with(&workspace, None).await);
    let nowhere = "team_00000000001";
    let body = |name: &str, team: &str| json!({ "name": name, "access": "read-only", "apis": ["*"], "team_id": team });
    let made = ask(&service, &own, Method::POST, &keys, &body("one", &mine)).await.is(201);
    let path = made.header("location").to_owned();
    for team in [others.as_str(), nowhere] {
        for refused in [
            ask(&service, &own, Method::POST, &keys, &body("two", team)).await,
            ask(&service, &own, Method::PATCH, &path, &json!({ "team_id": team })).await,
        ] {
            refused.is_problem(422, "invalid", Some("team_id"));
            assert_eq!(
                (&refused.body["fault"], refused.text("detail")),
                (&json!("unknown"), "the workspace has no such team")
            );
        }
    }
    // What an admin put there stays when they edit something else.
    ask(&service, &admins, Method::PATCH, &path, &json!({ "team_id": others })).await.is(200);
    let renamed = ask(&service, &own, Method::PATCH, &path, &json!({ "name": "renamed" })).await.is(200);
    assert_eq!(renamed.body["key"]["team_id"], json!(others));
    ask(&service, &own, Method::PATCH, &path, &json!({ "team_id": null })).await.is(200);
    ask(&service, &own, Method::PATCH, &path, &json!({ "team_id": mine })).await.is(200);
}

#[tokio::test]
async fn a_key_above_its_member_is_not_made_to_last_longer() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (staff, staffs) = service.somebody(&workspace, "staff").await;
    let one = key_of(&service, &workspace, "read-write", &staff).await;
    let at = |year: u16| json!({ "expires_at": format!("{year}-01-01T00:00:00Z") });
    service.patch(&one, at(2090)).await.is(200);
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    for longer in [at(2091), json!({ "expires_at": null })] {
        for token in managers(&service, &workspace).await {
            let refused = ask(&service, &token, Method::PATCH, &one, &longer).await;
            refused.is_problem(422, "invalid", Some("access"));
        }
        ask(&service, &staffs, Method::PATCH, &one, &longer).await.is_problem(403, "forbidden", None);
    }
    service.patch(&one, at(2089)).await.is(200);
    service.patch(&one, json!({ "expires_at": null, "access": "read-only" })).await.is(200);
}
