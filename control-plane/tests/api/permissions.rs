//! Who may do what, and what the others are told.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::mutations::{self, Mutation};
use crate::service::{Reply, Service};

/// A request with a member's token.
async fn ask(service: &Service, token: &str, method: Method, path: &str, body: &Value) -> Reply {
    let call = service.request(method.clone(), path).bearer(token);
    if method == Method::GET { call.send().await } else { call.json(body).send().await }
}

fn key(name: &str, access: &str) -> Value {
    json!({ "name": name, "access": access, "apis": ["*"] })
}

/// Every route about one key.
fn about_a_key(key: &str) -> Vec<(Method, String, Value)> {
    let grace = json!({ "grace_seconds": 60 });
    let verb = |verb: &str| (Method::POST, format!("{key}/{verb}"), json!({}));
    vec![
        (Method::GET, key.to_owned(), json!({})),
        (Method::PATCH, key.to_owned(), json!({ "name": "other" })),
        (Method::POST, format!("{key}/rotate"), grace.clone()),
        (Method::POST, format!("{key}/rotation/extend"), grace),
        verb("rotation/finish"),
        verb("rotation/cancel"),
        verb("rotation/pause"),
        verb("rotation/resume"),
        verb("disable"),
        verb("enable"),
        verb("archive"),
        (Method::DELETE, key.to_owned(), json!({})),
    ]
}

/// The status and the bytes of an answer, without the request's own identifier.
fn told(reply: &Reply) -> (StatusCode, String) {
    let text = String::from_utf8(reply.bytes.clone()).unwrap();
    (reply.status, text.replace(reply.header("x-request-id"), ""))
}

/// Every route below a workspace: where any mutation goes, asked for that and read, and what is only
/// read.
async fn within_workspaces(service: &Service) -> Vec<(Method, String, Value)> {
    let workspace = service.workspace("Other").await;
    let key = service.key(&workspace, "one").await;
    let mut routes = about_a_key(&key);
    for Mutation { method, path, body } in mutations::all(service).await {
        if path.starts_with("/v1/workspaces/") {
            routes.push((Method::GET, path.clone(), json!({})));
            routes.push((method, path, body));
        }
    }
    routes.push((Method::PATCH, workspace, json!({ "status": "suspended" })));
    routes
}

#[tokio::test]
async fn a_token_of_one_workspace_sees_nothing_of_another() {
    let service = Service::start().await;
    let own = service.workspace("Acme").await;
    let routes = within_workspaces(&service).await;
    let events = service.audit_events().await;
    for role in ["owner", "admin", "staff", "read-only", "lite"] {
        let (member, token) = service.somebody(&own, role).await;
        // With a token of their own, and by an operator who acts for them.
        for acted_for in [false, true] {
            let ask = async |method: &Method, path: &str, body: &Value| {
                let call = service.request(method.clone(), path);
                let call = if acted_for { call.header("keyward-on-behalf-of", &member) } else { call.bearer(&token) };
                if method == Method::GET { call.send().await } else { call.json(body).send().await }
            };
            for (method, path, body) in &routes {
                let there = path.split('/').nth(3).unwrap();
                let refused = ask(method, path, body).await;
                let missing = ask(method, &path.replace(there, "ws_00000000001"), body).await;
                // A path that only takes changes says so to everybody.
                if method != Method::GET || refused.status != 405 {
                    refused.is_problem(404, "not_found", None);
                }
                assert_eq!(told(&refused), told(&missing), "{role} {method} {path}");
            }
        }
        let listed = ask(&service, &token, Method::GET, "/v1/workspaces", &json!({})).await.is(200);
        let ids: Vec<_> = listed.body["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
        assert_eq!(ids, [json!(own.rsplit('/').next())], "{role}");
        // What is the other's, by a path of their own workspace.
        for (method, path, body) in &routes {
            let there = path.split('/').nth(3).unwrap();
            let crossed = path.replace(&format!("/v1/workspaces/{there}"), &own);
            if path.split('/').nth(5).is_some_and(|id| id.contains('_')) {
                let refused = ask(&service, &token, method.clone(), &crossed, body).await;
                assert!([404, 405].contains(&refused.status.as_u16()), "{role} {method} {crossed}: {}", refused.body);
            }
        }
    }
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn owners_and_admins_see_and_manage_every_key() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (staff, _) = service.somebody(&workspace, "staff").await;
    for role in ["owner", "admin"] {
        let (_, token) = service.somebody(&workspace, role).await;
        let mut body = key(role, "read-write");
        body["member_id"] = json!(staff);
        let made = ask(&service, &token, Method::POST, &format!("{workspace}/keys"), &body).await.is(201);
        assert_eq!(made.body["key"]["member"]["id"], json!(staff));
        let path = made.header("location").to_owned();
        for (method, path, body) in about_a_key(&path) {
            let reply = ask(&service, &token, method.clone(), &path, &body).await;
            // What there is no rotation for is refused for that, after the right is judged.
            assert!(reply.status.is_success() || reply.status == 409, "{role} {method} {path}: {}", reply.body);
        }
        let made = ask(&service, &token, Method::POST, &format!("{workspace}/keys"), &key("own", "read-write")).await;
        assert_eq!(made.is(201).body["key"]["member"]["name"], "default");
        ask(&service, &token, Method::PATCH, &workspace, &json!({ "name": role })).await.is(200);
        let listed = ask(&service, &token, Method::GET, &format!("{workspace}/keys"), &json!({})).await.is(200);
        assert_eq!(listed.body["items"].as_array().unwrap().len(), 1, "{role}");
        let own = listed.body["items"][0]["id"].as_str().unwrap().to_owned();
        service.delete(&format!("{workspace}/keys/{own}")).await.is(200);
    }
}

#[tokio::test]
async fn staff_see_and_manage_their_own_keys_only() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let others = service.key(&workspace, "another's").await;
    for role in ["staff", "read-only"] {
        let (member, token) = service.somebody(&workspace, role).await;
        let made = ask(&service, &token, Method::POST, &keys, &key(role, "read-only")).await.is(201);
        assert_eq!(made.body["key"]["member"]["id"], json!(member));
        for (method, path, body) in about_a_key(&others) {
            let refused = ask(&service, &token, method.clone(), &path, &body).await;
            refused.is_problem(404, "not_found", None);
            let missing = format!("{keys}/key_00000000001");
            let missing = ask(&service, &token, method, &path.replace(&others, &missing), &body).await;
            assert_eq!(told(&refused), told(&missing), "{role} {path}");
        }
        let ids = |reply: Reply| -> Vec<Value> {
            reply.is(200).body["items"].as_array().unwrap().iter().map(|item| item["member"]["id"].clone()).collect()
        };
        assert_eq!(ids(ask(&service, &token, Method::GET, &keys, &json!({})).await), [json!(member)]);
        let default = service.get(&others).await.body["member"]["id"].as_str().unwrap().to_owned();
        let asked = ask(&service, &token, Method::GET, &format!("{keys}?member={default}"), &json!({})).await;
        assert_eq!(ids(asked), Vec::<Value>::new());
        let mut given = key("given", "read-only");
        given["member_id"] = json!(default);
        ask(&service, &token, Method::POST, &keys, &given).await.is_problem(403, "forbidden", None);
        for (method, path, body) in about_a_key(made.header("location")) {
            let reply = ask(&service, &token, method.clone(), &path, &body).await;
            assert!(reply.status.is_success() || reply.status == 409, "{role} {method} {path}: {}", reply.body);
        }
    }
    assert_eq!(service.get(&others).await.is(200).body["version"], 1);
}

#[tokio::test]
async fn lite_members_have_no_keys() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let others = service.key(&workspace, "another's").await;
    let (member, token) = service.somebody(&workspace, "staff").await;
    let once = ask(&service, &token, Method::POST, &keys, &key("once", "read-only")).await.is(201);
    service.change_role(&member, "lite").await;
    for (method, path, body) in [others.as_str(), once.header("location")].into_iter().flat_map(about_a_key) {
        ask(&service, &token, method, &path, &body).await.is_problem(404, "not_found", None);
    }
    let listed = ask(&service, &token, Method::GET, &keys, &json!({})).await.is(200);
    assert_eq!(listed.body["items"], json!([]));
    let refused = ask(&service, &token, Method::POST, &keys, &key("one", "read-only")).await;
    refused.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn members_do_nothing_that_is_the_operators() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    service.put("/v1/apis/data", json!({})).await.is(201);
    for role in ["owner", "admin", "staff", "read-only", "lite"] {
        let (_, token) = service.somebody(&workspace, role).await;
        for (method, path, body) in [
            (Method::POST, "/v1/workspaces".to_owned(), json!({ "name": "B" })),
            (Method::PATCH, workspace.clone(), json!({ "status": "suspended" })),
            (Method::PATCH, workspace.clone(), json!({ "status": "active" })),
            (Method::PATCH, workspace.clone(), json!({ "name": "B", "max_keys": 1 })),
            (Method::PATCH, workspace.clone(), json!({ "max_keys": null })),
            (Method::PATCH, workspace.clone(), json!({ "external_id": "x" })),
            (Method::PATCH, workspace.clone(), json!({ "slug": "another" })),
            (Method::DELETE, workspace.clone(), json!({})),
            (Method::PUT, "/v1/apis/new".to_owned(), json!({})),
            (Method::PUT, "/v1/apis/data".to_owned(), json!({})),
            (Method::DELETE, "/v1/apis/data".to_owned(), json!({})),
            (Method::DELETE, "/v1/apis/none".to_owned(), json!({})),
            (Method::PATCH, "/v1/settings".to_owned(), json!({ "realm": "B" })),
        ] {
            ask(&service, &token, method, &path, &body).await.is_problem(403, "forbidden", None);
        }
        for path in ["/v1/apis", "/v1/apis/data", "/v1/settings", workspace.as_str()] {
            ask(&service, &token, Method::GET, path, &json!({})).await.is(200);
        }
        let edits = if matches!(role, "owner" | "admin") { 200 } else { 403 };
        let edit = json!({ "name": "Acme", "staff_max_access": "read-write" });
        ask(&service, &token, Method::PATCH, &workspace, &edit).await.is(edits);
    }
}

#[tokio::test]
async fn nobody_makes_more_of_a_key_than_they_may_have() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let (_, staff) = service.somebody(&workspace, "staff").await;
    let (_, reader) = service.somebody(&workspace, "read-only").await;
    ask(&service, &reader, Method::POST, &keys, &key("one", "read-write")).await.is_problem(403, "forbidden", None);
    let made = ask(&service, &staff, Method::POST, &keys, &key("two", "read-write")).await.is(201);
    let path = made.header("location").to_owned();
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);

    ask(&service, &staff, Method::POST, &keys, &key("three", "read-write")).await.is_problem(403, "forbidden", None);
    // What is there already is theirs to stop and to lower, and to nothing else.
    let grace = json!({ "grace_seconds": 60 });
    let rename = json!({ "name": "renamed" });
    ask(&service, &staff, Method::POST, &format!("{path}/rotate"), &grace).await.is_problem(403, "forbidden", None);
    ask(&service, &staff, Method::PATCH, &path, &rename).await.is_problem(403, "forbidden", None);
    ask(&service, &staff, Method::POST, &format!("{path}/disable"), &json!({})).await.is(200);
    let enable = format!("{path}/enable");
    ask(&service, &staff, Method::POST, &enable, &json!({})).await.is_problem(403, "forbidden", None);
    ask(&service, &staff, Method::PATCH, &path, &json!({ "access": "read-only" })).await.is(200);
    ask(&service, &staff, Method::POST, &enable, &json!({})).await.is(200);
    let raise = json!({ "access": "read-write" });
    ask(&service, &staff, Method::PATCH, &path, &raise).await.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn scopes_narrow_and_never_widen() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let one = service.key(&workspace, "one").await;
    let admin = service.member(&workspace, "admin").await;
    for holder in [Some(admin.as_str()), None] {
        let reads = service.token(holder, &["keys:read"]).await;
        ask(&service, &reads, Method::GET, &one, &json!({})).await.is(200);
        ask(&service, &reads, Method::GET, &keys, &json!({})).await.is(200);
        for (method, path, body) in about_a_key(&one).split_off(1) {
            ask(&service, &reads, method, &path, &body).await.is_problem(403, "forbidden", None);
        }
        ask(&service, &reads, Method::POST, &keys, &key("two", "read-only")).await.is_problem(403, "forbidden", None);
        ask(&service, &reads, Method::GET, &workspace, &json!({})).await.is_problem(403, "forbidden", None);
        ask(&service, &reads, Method::GET, "/v1/workspaces", &json!({})).await.is_problem(403, "forbidden", None);

        let writes = service.token(holder, &["keys:write"]).await;
        ask(&service, &writes, Method::PATCH, &one, &json!({})).await.is(200);
        ask(&service, &writes, Method::GET, &one, &json!({})).await.is_problem(403, "forbidden", None);
        ask(&service, &writes, Method::GET, &keys, &json!({})).await.is_problem(403, "forbidden", None);

        // A word of another version gives nothing, and does not make the token an unnarrowed one.
        let unknown = service.token(holder, &["keys:everything"]).await;
        ask(&service, &unknown, Method::GET, &one, &json!({})).await.is_problem(403, "forbidden", None);
    }
    let staff = service.member(&workspace, "staff").await;
    let wide = service.token(Some(&staff), &["keys:read", "deployment", "workspaces:write"]).await;
    ask(&service, &wide, Method::GET, &one, &json!({})).await.is_problem(404, "not_found", None);
    ask(&service, &wide, Method::PUT, "/v1/apis/x", &json!({})).await.is_problem(403, "forbidden", None);
    ask(&service, &wide, Method::PATCH, &workspace, &json!({})).await.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn a_members_token_has_that_members_rights_at_the_time_of_the_call() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (member, token) = service.somebody(&workspace, "admin").await;
    let rename = json!({ "name": "B" });
    ask(&service, &token, Method::PATCH, &workspace, &rename).await.is(200);
    let (kind, id, name, on_behalf_of) = service.last_actor().await;
    assert_eq!((kind.as_str(), id, name.as_str(), on_behalf_of), ("member", member.clone(), "admin", None));
    service.change_role(&member, "staff").await;
    ask(&service, &token, Method::PATCH, &workspace, &rename).await.is_problem(403, "forbidden", None);
    service.change_role(&member, "owner").await;
    ask(&service, &token, Method::PATCH, &workspace, &rename).await.is(200);

    service.patch(&workspace, json!({ "status": "suspended" })).await.is(200);
    ask(&service, &token, Method::GET, &workspace, &json!({})).await.is(200);
    service.delete(&workspace).await.is(200);
    ask(&service, &token, Method::GET, &workspace, &json!({})).await.is_problem(401, "unauthorized", None);
}

#[tokio::test]
async fn an_operator_acts_on_behalf_of_a_member_with_that_members_rights_and_the_audit_log_names_both() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let keys = format!("{workspace}/keys");
    let others = service.key(&workspace, "another's").await;
    let (member, token) = service.somebody(&workspace, "staff").await;
    let acting = |method: Method, path: &str| service.request(method, path).header("keyward-on-behalf-of", &member);

    let made = acting(Method::POST, &keys).json(&key("theirs", "read-only")).send().await.is(201);
    assert_eq!(made.body["key"]["member"]["id"], json!(member));
    let (kind, id, name, on_behalf_of) = service.last_actor().await;
    assert_eq!((kind.as_str(), name.as_str(), on_behalf_of), ("operator", "operator", Some(member.clone())));
    assert!(id.starts_with("tok_"), "{id}");
    acting(Method::GET, &others).send().await.is_problem(404, "not_found", None);
    acting(Method::PATCH, &workspace).json(&json!({})).send().await.is_problem(403, "forbidden", None);
    acting(Method::PUT, "/v1/apis/x").json(&json!({})).send().await.is_problem(403, "forbidden", None);
    let listed = acting(Method::GET, &keys).send().await.is(200);
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);

    let field = Some("Keyward-On-Behalf-Of");
    for wrong in ["", "nobody", "mem_00000000001", "ws_00000000001"] {
        let call = service.request(Method::GET, &keys).header("keyward-on-behalf-of", wrong);
        call.send().await.is_problem(400, "bad_header", field);
    }
    let twice = acting(Method::GET, &keys).and_header("keyward-on-behalf-of", &member);
    twice.send().await.is_problem(400, "bad_header", field);
    let narrowed = service.token(None, &["workspaces:read"]).await;
    acting(Method::GET, &keys).bearer(&narrowed).send().await.is_problem(403, "forbidden", None);
    acting(Method::GET, &keys).bearer(&token).send().await.is_problem(403, "forbidden", None);
}
