//! Members over REST: what one is, who may change whom, and the owners that stay.

use axum::http::Method;
use serde_json::{Value, json};

use crate::mutations::Mutation;
use crate::service::{Reply, Service};

/// Adds a member over the API and tells their path.
pub(crate) async fn add(service: &Service, workspace: &str, role: &str) -> String {
    let made = service.post(&format!("{workspace}/members"), json!({ "name": role, "role": role })).await.is(201);
    made.header("location").to_owned()
}

/// The identifier that a path ends in.
pub(crate) fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

async fn ask(service: &Service, token: &str, method: Method, path: &str, body: &Value) -> Reply {
    let call = service.request(method.clone(), path).bearer(token);
    if method == Method::GET { call.send().await } else { call.json(body).send().await }
}

fn ids(listed: &Reply) -> Vec<&str> {
    listed.body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_member_reads_as_the_contract_words_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let team = service.post(&format!("{workspace}/teams"), json!({ "name": "Support" })).await.is(201);
    let body = json!({
        "kind": "person", "email": "ada@example.com", "name": "Ada", "role": "staff",
        "team_ids": [team.text("id")], "external_id": "hr-7", "reason": "new here",
    });
    let made = service.post(&format!("{workspace}/members"), body).await.is(201);
    let (action, entity, reason, _) = service.last_event().await;
    assert_eq!((action.as_str(), entity.as_str(), reason.as_deref()), ("Create", "Members", Some("new here")));
    let read = service.get(made.header("location")).await.is(200);
    assert_eq!(read.header("etag"), made.header("etag"));
    assert_eq!(
        read.body,
        json!({
            "id": made.text("id"), "kind": "person", "email": "ada@example.com", "name": "Ada", "role": "staff",
            "team_ids": [team.text("id")], "external_id": "hr-7", "created_at": "2026-01-01T00:00:00Z", "version": 1,
        })
    );
    let mut with_generation = read.body.clone();
    with_generation["generation"] = made.body["generation"].clone();
    assert_eq!(with_generation, made.body);

    let edit = json!({ "kind": "machine", "email": null, "name": "Robot", "team_ids": [], "external_id": null });
    let changed = service.patch(made.header("location"), edit).await.is(200);
    for (member, value) in [
        ("kind", json!("machine")),
        ("email", json!(null)),
        ("name", json!("Robot")),
        ("role", json!("staff")),
        ("team_ids", json!([])),
        ("external_id", json!(null)),
        ("version", json!(2)),
    ] {
        assert_eq!(changed.body[member], value, "{member}");
    }
    let same = service.patch(made.header("location"), json!({ "name": "Robot" })).await.is(200);
    assert_eq!(same.body["version"], 2);
    let gone = service.delete(&format!("{}?reason=left", made.header("location"))).await.is(200);
    assert_eq!(gone.body, json!({ "generation": gone.body["generation"] }));
    let (action, entity, reason, _) = service.last_event().await;
    assert_eq!((action.as_str(), entity.as_str(), reason.as_deref()), ("Delete", "Members", Some("left")));
    service.get(made.header("location")).await.is_problem(404, "not_found", None);
    service.delete(made.header("location")).await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn what_a_member_cannot_be_is_refused_by_name() {
    let service = Service::start().await;
    let (workspace, other) = (service.workspace("Acme").await, service.workspace("Other").await);
    let members = format!("{workspace}/members");
    let foreign = service.post(&format!("{other}/teams"), json!({ "name": "Theirs" })).await.is(201);
    let own = service.post(&format!("{workspace}/teams"), json!({ "name": "Ours" })).await.is(201);
    let (foreign, own) = (foreign.text("id"), own.text("id"));
    let path = add(&service, &workspace, "lite").await;
    let events = service.audit_events().await;
    for (wrong, field) in [
        (json!({ "role": "root" }), "role"),
        (json!({ "role": null }), "role"),
        (json!({ "role": 1 }), "role"),
        (json!({ "kind": "robot" }), "kind"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "a\u{7}" }), "name"),
        (json!({ "email": "ada" }), "email"),
        (json!({ "email": "a@b@c" }), "email"),
        (json!({ "external_id": "" }), "external_id"),
        (json!({ "team_ids": ["team"] }), "team_ids[0]"),
        (json!({ "team_ids": [own, foreign] }), "team_ids[1]"),
        (json!({ "team_ids": [own, own] }), "team_ids[1]"),
        (json!({ "team_ids": vec![own; 101] }), "team_ids"),
        (json!({ "is_default": true }), "is_default"),
        (json!({ "id": "mem_00000000001" }), "id"),
    ] {
        let mut new = json!({ "name": "Ada", "role": "staff" });
        new.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        service.post(&members, new).await.is_problem(422, "invalid", Some(field));
        service.patch(&path, wrong).await.is_problem(422, "invalid", Some(field));
    }
    for missing in ["name", "role"] {
        let mut new = json!({ "name": "Ada", "role": "staff" });
        new.as_object_mut().unwrap().remove(missing);
        service.post(&members, new).await.is_problem(422, "invalid", Some(missing));
    }
    assert_eq!(service.get(&path).await.body["version"], 1);
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn an_address_is_one_members() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let members = format!("{workspace}/members");
    let new = |name: &str, email: &str| json!({ "name": name, "email": email, "role": "lite" });
    let first = service.post(&members, new("Ada", "Ada@example.com")).await.is(201);
    for same in ["Ada@example.com", "ada@EXAMPLE.com"] {
        let refused = service.post(&members, new("Bob", same)).await;
        refused.is_problem(409, "email_taken", Some("email"));
    }
    let second = service.post(&members, new("Bob", "bob@example.com")).await.is(201);
    let take = json!({ "email": "ada@example.com" });
    let refused = service.patch(second.header("location"), take.clone()).await;
    refused.is_problem(409, "email_taken", Some("email"));
    // One's own stays one's own, written otherwise.
    service.patch(first.header("location"), take.clone()).await.is(200);
    let found = service.get(&format!("{members}?email=ADA@example.com")).await.is(200);
    assert_eq!(ids(&found), [first.text("id")]);
    service.delete(first.header("location")).await.is(200);
    service.patch(second.header("location"), take).await.is(200);
    // Another workspace has its own people.
    let other = service.workspace("Other").await;
    service.post(&format!("{other}/members"), new("Ada", "ada@example.com")).await.is(201);
}

#[tokio::test]
async fn of_two_changes_of_a_member_with_one_tag_one_wins() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let path = add(&service, &workspace, "staff").await;
    let tag = service.get(&path).await.header("etag").to_owned();
    let patch = |body: Value| service.request(Method::PATCH, &path).header("if-match", &tag).json(&body).send();
    let (one, two) = tokio::join!(patch(json!({ "role": "lite" })), patch(json!({ "role": "owner" })));
    let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
    lost.is_problem(412, "precondition_failed", None);
    let now = service.get(&path).await.is(200);
    assert_eq!((&now.body["role"], now.header("etag")), (&won.body["role"], won.header("etag")));
}

#[tokio::test]
async fn members_are_listed_newest_first_and_filtered() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let members = format!("{workspace}/members");
    let team = service.post(&format!("{workspace}/teams"), json!({ "name": "Support" })).await.is(201);
    let mut made = Vec::new();
    for (name, role, kind) in [("a", "owner", "person"), ("b", "staff", "machine"), ("c", "staff", "person")] {
        service.pass_seconds(1);
        let mut body = json!({ "name": name, "role": role, "kind": kind, "external_id": format!("x-{name}") });
        if name == "c" {
            body["team_ids"] = json!([team.text("id")]);
        }
        made.push(service.post(&members, body).await.is(201).text("id").to_owned());
    }
    let (a, b, c) = (made[0].as_str(), made[1].as_str(), made[2].as_str());
    let all = service.get(&members).await.is(200);
    let default = ids(&all)[3].to_owned();
    assert_eq!(ids(&all), [c, b, a, default.as_str()]);
    for (query, expected) in [
        ("role=staff".to_owned(), vec![c, b]),
        ("kind=machine".to_owned(), vec![b, default.as_str()]),
        (format!("team={}", team.text("id")), vec![c]),
        ("external_id=x-a".to_owned(), vec![a]),
        ("role=staff&kind=person".to_owned(), vec![c]),
        ("role=lite".to_owned(), vec![]),
    ] {
        let listed = service.get(&format!("{members}?{query}")).await.is(200);
        assert_eq!(ids(&listed), expected, "{query}");
    }
    let first = service.get(&format!("{members}?limit=2")).await.is(200);
    let second = service.get(&format!("{members}?limit=2&cursor={}", first.text("next_cursor"))).await.is(200);
    assert_eq!((ids(&first), ids(&second)), (vec![c, b], vec![a, default.as_str()]));
    assert_eq!(second.body["next_cursor"], Value::Null);
    let foreign = service.get(&format!("{members}?role=staff&cursor={}", first.text("next_cursor"))).await;
    foreign.is_problem(400, "bad_parameter", Some("cursor"));
    for (query, field) in [("role=root", "role"), ("kind=x", "kind"), ("team=x", "team"), ("limit=0", "limit")] {
        service.get(&format!("{members}?{query}")).await.is_problem(400, "bad_parameter", Some(field));
    }
}

#[tokio::test]
async fn members_below_admins_see_themselves_only() {
    let service = Service::start().await;
    let (workspace, elsewhere) = (service.workspace("Acme").await, service.workspace("Other").await);
    let members = format!("{workspace}/members");
    let (other, _) = service.somebody(&workspace, "staff").await;
    let abroad = add(&service, &elsewhere, "staff").await;
    for role in ["staff", "read-only", "lite"] {
        let (own, token) = service.somebody(&workspace, role).await;
        let listed = ask(&service, &token, Method::GET, &members, &json!({})).await.is(200);
        assert_eq!(ids(&listed), [own.as_str()], "{role}");
        ask(&service, &token, Method::GET, &format!("{members}/{own}"), &json!({})).await.is(200);
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            for path in [format!("{members}/{other}"), abroad.clone(), abroad.replace(&elsewhere, &workspace)] {
                let refused = ask(&service, &token, method.clone(), &path, &json!({})).await;
                refused.is_problem(404, "not_found", None);
            }
        }
        for (method, body) in [(Method::PATCH, json!({ "role": "owner" })), (Method::DELETE, json!({}))] {
            let refused = ask(&service, &token, method, &format!("{members}/{own}"), &body).await;
            refused.is_problem(403, "forbidden", None);
        }
        let new = json!({ "name": "x", "role": "lite" });
        ask(&service, &token, Method::POST, &members, &new).await.is_problem(403, "forbidden", None);
    }
    let (_, admin) = service.somebody(&elsewhere, "admin").await;
    for (method, path) in [
        (Method::GET, members.clone()),
        (Method::POST, members.clone()),
        (Method::GET, format!("{members}/{other}")),
        (Method::PATCH, format!("{members}/{other}")),
        (Method::DELETE, format!("{members}/{other}?dry_run=true")),
        (Method::DELETE, format!("{members}/{other}")),
    ] {
        let body = if method == Method::POST { json!({ "name": "x", "role": "lite" }) } else { json!({}) };
        ask(&service, &admin, method, &path, &body).await.is_problem(404, "not_found", None);
    }
}

#[tokio::test]
async fn an_admin_makes_no_owner_and_touches_none() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let members = format!("{workspace}/members");
    let (owner, owners_token) = service.somebody(&workspace, "owner").await;
    let (admin, token) = service.somebody(&workspace, "admin").await;
    let staff = add(&service, &workspace, "staff").await;
    let default = service.get(&format!("{members}?kind=machine")).await.body["items"][0]["id"].clone();
    let default = format!("{members}/{}", default.as_str().unwrap());
    let owner = format!("{members}/{owner}");
    let new = json!({ "name": "x", "role": "owner" });
    for (method, path, body) in [
        (Method::POST, members.clone(), new.clone()),
        (Method::PATCH, format!("{members}/{admin}"), json!({ "role": "owner" })),
        (Method::PATCH, staff.clone(), json!({ "role": "owner" })),
        (Method::PATCH, owner.clone(), json!({ "role": "lite" })),
        (Method::PATCH, owner.clone(), json!({ "name": "x" })),
        (Method::DELETE, owner.clone(), json!({})),
        (Method::DELETE, format!("{owner}?dry_run=true"), json!({})),
        (Method::PATCH, default, json!({ "name": "x" })),
    ] {
        ask(&service, &token, method, &path, &body).await.is_problem(403, "forbidden", None);
    }
    ask(&service, &token, Method::GET, &owner, &json!({})).await.is(200);
    let made = ask(&service, &token, Method::POST, &members, &json!({ "name": "x", "role": "admin" })).await.is(201);
    ask(&service, &token, Method::PATCH, &staff, &json!({ "role": "lite" })).await.is(200);
    ask(&service, &token, Method::DELETE, made.header("location"), &json!({})).await.is(200);
    let (kind, id, ..) = service.last_actor().await;
    assert_eq!((kind.as_str(), id), ("member", admin));
    let made = ask(&service, &owners_token, Method::POST, &members, &new).await.is(201);
    ask(&service, &owners_token, Method::DELETE, made.header("location"), &json!({})).await.is(200);
}

#[tokio::test]
async fn the_last_owner_cannot_be_demoted_or_removed() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (one, two) = (add(&service, &workspace, "owner").await, add(&service, &workspace, "owner").await);
    let demote = json!({ "role": "admin" });
    // Both at once: one of them is the last.
    let (first, second) = tokio::join!(service.patch(&one, demote.clone()), service.delete(&two));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let (refused, last) = if first.status == 409 { (first, one) } else { (second, two) };
    refused.is_problem(409, "last_owner", None);
    for path in [last.clone(), format!("{last}?dry_run=true")] {
        service.patch(&path, demote.clone()).await.is_problem(409, "last_owner", None);
        service.delete(&path).await.is_problem(409, "last_owner", None);
    }
    service.patch(&last, json!({ "name": "Ada", "role": "owner" })).await.is(200);
    add(&service, &workspace, "owner").await;
    service.patch(&last, demote).await.is(200);
}

#[tokio::test]
async fn the_default_machine_counts_as_no_owner_and_stays() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let default = service.get(&key).await.body["member"]["id"].as_str().unwrap().to_owned();
    let default = format!("{workspace}/members/{default}");
    let read = service.get(&default).await.is(200);
    assert_eq!((read.text("kind"), read.text("role"), read.text("name")), ("machine", "owner", "default"));
    for body in [json!({ "role": "lite" }), json!({ "kind": "person" })] {
        service.patch(&default, body).await.is_problem(409, "default_member", None);
    }
    service.delete(&default).await.is_problem(409, "default_member", None);
    service.patch(&default, json!({ "name": "house", "role": "owner", "kind": "machine" })).await.is(200);
    let owner = add(&service, &workspace, "owner").await;
    service.delete(&owner).await.is_problem(409, "last_owner", None);
    assert_eq!(service.get(&key).await.is(200).body["member"]["name"], "house");
}

pub(crate) async fn mutations(service: &Service) -> Vec<Mutation> {
    let workspace = service.workspace("Members that change").await;
    let member = add(service, &workspace, "staff").await;
    vec![
        Mutation::new(Method::POST, format!("{workspace}/members"), json!({ "name": "new", "role": "lite" })),
        Mutation::new(Method::PATCH, &member, json!({ "role": "read-only" })),
        Mutation::new(Method::DELETE, &member, json!({})),
    ]
}
