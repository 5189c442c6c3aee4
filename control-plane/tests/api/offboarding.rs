//! What a change of role and a removal mean to keys: shown beforehand, done at once, or not at all.

mod whole;

use axum::http::Method;
use serde_json::{Value, json};

use crate::members::{add, id};
use crate::service::{Reply, Service};

/// Makes a key of this member and tells its path.
async fn key_of(service: &Service, workspace: &str, member: &str, name: &str, access: &str) -> String {
    let body = json!({ "name": name, "access": access, "apis": ["*"], "member_id": id(member) });
    service.post(&format!("{workspace}/keys"), body).await.is(201).header("location").to_owned()
}

async fn send(service: &Service, method: Method, path: &str, tag: &str, body: &Value) -> Reply {
    service.request(method, path).header("if-match", tag).json(body).send().await
}

/// Name and outcome of each key of a plan.
fn outcomes(plan: &Reply) -> Vec<(&str, &str)> {
    let keys = plan.body["keys"].as_array().unwrap();
    keys.iter().map(|key| (key["name"].as_str().unwrap(), key["outcome"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_member_may_hold_many_keys() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for (kind, role) in [("person", "owner"), ("person", "staff"), ("machine", "staff"), ("machine", "admin")] {
        let body = json!({ "kind": kind, "name": format!("{kind}, {role}"), "role": role });
        let made = service.post(&format!("{workspace}/members"), body).await.is(201);
        assert_eq!(made.text("kind"), kind);
        let member = made.header("location");
        for number in 0..3 {
            key_of(&service, &workspace, member, &format!("{kind} {role} {number}"), "read-write").await;
        }
        let held = service.get(&format!("{workspace}/keys?member={}", id(member))).await.is(200);
        let held = held.body["items"].as_array().unwrap();
        assert_eq!(held.len(), 3, "{kind} {role}");
        assert!(held.iter().all(|key| key["member"]["id"] == id(member) && key["status"] == "active"), "{held:?}");
    }
}

#[tokio::test]
async fn a_role_of_lite_deletes_all_of_the_members_keys() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (member, other) = (add(&service, &workspace, "staff").await, add(&service, &workspace, "staff").await);
    let one = key_of(&service, &workspace, &member, "one", "read-only").await;
    let two = key_of(&service, &workspace, &member, "two", "read-write").await;
    let stopped = key_of(&service, &workspace, &member, "stopped", "read-only").await;
    service.post(&format!("{stopped}/disable"), json!({})).await.is(200);
    let archived = key_of(&service, &workspace, &member, "archived", "read-only").await;
    service.post(&format!("{archived}/archive"), json!({})).await.is(200);
    let others = key_of(&service, &workspace, &other, "another's", "read-write").await;
    let before = service.audit_events().await;

    let changed = service.patch(&member, json!({ "role": "lite" })).await.is(200);
    assert_eq!((changed.text("role"), &changed.body["version"]), ("lite", &json!(2)));
    for gone in [&one, &two, &stopped] {
        service.get(gone).await.is_problem(404, "not_found", None);
    }
    service.get(&others).await.is(200);
    service.get(&archived).await.is(200);
    assert_eq!(service.audit_events().await, before + 4);
    // Once is enough.
    service.patch(&member, json!({ "role": "lite" })).await.is(200);
    assert_eq!(service.audit_events().await, before + 5);
}

#[tokio::test]
async fn a_role_of_read_only_deletes_read_write_keys_and_leaves_the_read_only_ones() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let member = add(&service, &workspace, "admin").await;
    let reads = key_of(&service, &workspace, &member, "reads", "read-only").await;
    let writes = key_of(&service, &workspace, &member, "writes", "read-write").await;
    service.patch(&member, json!({ "role": "read-only" })).await.is(200);
    let kept = service.get(&reads).await.is(200);
    assert_eq!((&kept.body["version"], &kept.body["member"]["role"]), (&json!(1), &json!("read-only")));
    service.get(&writes).await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_role_of_staff_ends_what_the_workspaces_policy_does_not_allow() {
    let service = Service::start().await;
    for (policy, left) in [("read-write", 200), ("read-only", 404)] {
        let workspace = service.workspace(policy).await;
        service.patch(&workspace, json!({ "staff_max_access": policy })).await.is(200);
        let member = add(&service, &workspace, "admin").await;
        let reads = key_of(&service, &workspace, &member, "reads", "read-only").await;
        let writes = key_of(&service, &workspace, &member, "writes", "read-write").await;
        service.patch(&member, json!({ "role": "staff" })).await.is(200);
        service.get(&reads).await.is(200);
        service.get(&writes).await.is(left);
        for role in ["admin", "owner"] {
            service.patch(&member, json!({ "role": role })).await.is(200);
            service.get(&reads).await.is(200);
        }
    }
}

#[tokio::test]
async fn removing_a_member_deletes_their_keys_and_tokens() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (member, token) = service.somebody(&workspace, "staff").await;
    let path = format!("{workspace}/members/{member}");
    let key = key_of(&service, &workspace, &member, "one", "read-write").await;
    let archived = key_of(&service, &workspace, &member, "old", "read-only").await;
    service.post(&format!("{archived}/archive"), json!({})).await.is(200);
    let ask = || async { service.request(Method::GET, &key).bearer(&token).send().await };
    ask().await.is(200);
    let before = service.audit_events().await;
    let gone = service.delete(&path).await.is(200);
    assert_eq!(gone.body, json!({ "generation": gone.body["generation"] }));
    ask().await.is_problem(401, "unauthorized", None);
    for path in [&path, &key, &archived] {
        service.get(path).await.is_problem(404, "not_found", None);
    }
    // The member's, two keys', the token's.
    assert_eq!(service.audit_events().await, before + 4);
    let (action, entity, ..) = service.last_event().await;
    assert_eq!((action.as_str(), entity.as_str()), ("Delete", "Tokens"));
    let archived = service.get(&format!("{workspace}/keys?status=archived")).await.is(200);
    assert_eq!(archived.body["items"], json!([]));
}

#[tokio::test]
async fn a_token_for_people_alone_ends_no_key_and_names_none() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (admin, _) = service.somebody(&workspace, "admin").await;
    let member = add(&service, &workspace, "staff").await;
    let key = key_of(&service, &workspace, &member, "one", "read-write").await;
    let people = ["members:read", "members:write"];
    let narrow = service.token(Some(&admin), &people).await;
    let preview = format!("{member}?dry_run=true");
    for (method, body) in [(Method::PATCH, json!({ "role": "lite" })), (Method::DELETE, json!({}))] {
        for path in [&preview, &member] {
            let call = service.request(method.clone(), path).bearer(&narrow).json(&body);
            call.send().await.is_problem(403, "forbidden", None);
        }
    }
    let kept = service.request(Method::PATCH, &preview).bearer(&narrow).json(&json!({ "name": "new" })).send().await;
    assert_eq!((&kept.body["keys"], &kept.body["more"]), (&json!([]), &json!(true)), "{:?}", kept.body);
    service.get(&key).await.is(200);
    // With the right to end keys it is done; what is listed is for whoever may read them.
    let ends = service.token(Some(&admin), &["members:read", "members:write", "keys:write"]).await;
    let ask = |path: &str| service.request(Method::PATCH, path).bearer(&ends).json(&json!({ "role": "lite" }));
    assert_eq!(ask(&preview).send().await.is(200).body["keys"], json!([]));
    ask(&member).send().await.is(200);
    service.get(&key).await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_preview_changes_nothing_and_says_what_would_go() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (member, token) = service.somebody(&workspace, "staff").await;
    let member = format!("{workspace}/members/{member}");
    let reads = key_of(&service, &workspace, &member, "reads", "read-only").await;
    let writes = key_of(&service, &workspace, &member, "writes", "read-write").await;
    let (events, generation) = (service.audit_events().await, service.generation().await);

    let preview = format!("{member}?dry_run=true");
    let plan = service.delete(&preview).await.is(200);
    let key = |path: &str, name: &str, access: &str| json!({ "id": id(path), "name": name, "access": access, "outcome": "deleted", "last_used_at": null });
    let mut keys = [key(&reads, "reads", "read-only"), key(&writes, "writes", "read-write")];
    let mut listed = plan.body["keys"].as_array().unwrap().clone();
    assert_eq!(plan.body, json!({ "keys": listed, "etag": plan.header("etag") }));
    for keys in [&mut keys[..], &mut listed[..]] {
        keys.sort_by_key(|key| key["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(listed, keys);

    for (body, expected) in [
        (json!({ "role": "lite" }), vec![("reads", "deleted"), ("writes", "deleted")]),
        (json!({ "role": "read-only" }), vec![("writes", "deleted"), ("reads", "kept")]),
        (json!({ "role": "owner" }), vec![("reads", "kept"), ("writes", "kept")]),
        (json!({ "name": "other" }), vec![("reads", "kept"), ("writes", "kept")]),
    ] {
        let plan = service.patch(&preview, body.clone()).await.is(200);
        let mut outcomes = outcomes(&plan);
        // What ends comes first; within that the order is the keys' own.
        assert!(outcomes.is_sorted_by_key(|(_, outcome)| *outcome), "{body}: {outcomes:?}");
        outcomes.sort_by_key(|(name, outcome)| (*outcome, *name));
        assert_eq!(outcomes, expected, "{body}");
    }
    assert_eq!(service.audit_events().await, events);
    assert_eq!(service.generation().await, generation);
    for path in [&member, &reads, &writes] {
        assert_eq!(service.get(path).await.is(200).body["version"], 1);
    }
    service.request(Method::GET, &reads).bearer(&token).send().await.is(200);

    service.patch(&format!("{member}?dry_run=maybe"), json!({})).await.is_problem(
        400,
        "bad_parameter",
        Some("dry_run"),
    );
    service.patch(&preview, json!({ "role": "root" })).await.is_problem(422, "invalid", Some("role"));
}

#[tokio::test]
async fn a_key_made_between_preview_and_act_fails_the_if_match() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let member = add(&service, &workspace, "staff").await;
    let preview = format!("{member}?dry_run=true");
    let key = key_of(&service, &workspace, &member, "one", "read-only").await;
    let (nothing, lite) = (json!({}), json!({ "role": "lite" }));
    let removal = || async { service.delete(&preview).await.is(200).text("etag").to_owned() };

    let tag = removal().await;
    let between = key_of(&service, &workspace, &member, "between", "read-only").await;
    send(&service, Method::DELETE, &member, &tag, &nothing).await.is_problem(412, "precondition_failed", None);
    // Gone again, it is as if it had not been.
    service.delete(&between).await.is(200);
    assert_eq!(removal().await, tag);
    // Raised, it is another key.
    service.patch(&key, json!({ "access": "read-write" })).await.is(200);
    send(&service, Method::DELETE, &member, &tag, &nothing).await.is_problem(412, "precondition_failed", None);

    // The tag is of what was asked, and of the member as it was.
    let tag = removal().await;
    send(&service, Method::PATCH, &member, &tag, &lite).await.is_problem(412, "precondition_failed", None);
    service.patch(&member, json!({ "name": "other" })).await.is(200);
    send(&service, Method::DELETE, &member, &tag, &nothing).await.is_problem(412, "precondition_failed", None);

    let tag = service.patch(&preview, lite.clone()).await.is(200).text("etag").to_owned();
    send(&service, Method::DELETE, &member, &tag, &nothing).await.is_problem(412, "precondition_failed", None);
    send(&service, Method::PATCH, &member, &tag, &lite).await.is(200);
    service.get(&key).await.is_problem(404, "not_found", None);
    // The tag of a read goes by the version alone.
    let tag = service.get(&member).await.header("etag").to_owned();
    send(&service, Method::DELETE, &member, &tag, &nothing).await.is(200);
}

#[tokio::test]
async fn reassigned_keys_are_kept_and_go_on() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let (leaves, stays) = (add(&service, &workspace, "staff").await, add(&service, &workspace, "staff").await);
    let one = key_of(&service, &workspace, &leaves, "one", "read-write").await;
    let two = key_of(&service, &workspace, &leaves, "two", "read-only").await;
    // The tag of a preview holds whoever is then given which key.
    let preview = format!("{leaves}?dry_run=true");
    let tag = service.delete(&preview).await.is(200).text("etag").to_owned();
    let reassign = json!({ "reassign": { id(&one): id(&stays) }, "reason": "left" });
    let plan = service.request(Method::DELETE, &preview).json(&reassign).send().await.is(200);
    assert_eq!((outcomes(&plan), plan.text("etag")), (vec![("two", "deleted"), ("one", "kept")], tag.as_str()));

    let before = service.audit_events().await;
    send(&service, Method::DELETE, &leaves, &tag, &reassign).await.is(200);
    let kept = service.get(&one).await.is(200);
    assert_eq!((&kept.body["member"]["id"], &kept.body["version"]), (&json!(id(&stays)), &json!(2)));
    service.get(&two).await.is_problem(404, "not_found", None);
    assert_eq!(service.audit_events().await, before + 3);
    let (.., reason, _) = service.last_event().await;
    assert_eq!(reason.as_deref(), Some("left"));

    // Keys can be given away without anything else.
    let other = add(&service, &workspace, "admin").await;
    let reassign = json!({ "reassign": { id(&one): id(&other) } });
    service.patch(&stays, reassign).await.is(200);
    assert_eq!(service.get(&one).await.body["member"]["id"], json!(id(&other)));
}

#[tokio::test]
async fn keys_are_given_to_nobody_who_may_not_have_them() {
    let service = Service::start().await;
    let (workspace, elsewhere) = (service.workspace("Acme").await, service.workspace("Other").await);
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    let leaves = add(&service, &workspace, "admin").await;
    let writes = key_of(&service, &workspace, &leaves, "writes", "read-write").await;
    let reads = key_of(&service, &workspace, &leaves, "reads", "read-only").await;
    let others = service.key(&workspace, "another's").await;
    let archived = key_of(&service, &workspace, &leaves, "archived", "read-only").await;
    service.post(&format!("{archived}/archive"), json!({})).await.is(200);
    let to = |role: &'static str| add(&service, &workspace, role);
    let (staff, reader, lite) = (to("staff").await, to("read-only").await, to("lite").await);
    let abroad = add(&service, &elsewhere, "owner").await;
    for (key, member) in [
        (&writes, &staff),
        (&writes, &reader),
        (&writes, &lite),
        (&reads, &lite),
        (&reads, &leaves),
        (&reads, &abroad),
        (&others, &staff),
    ] {
        let body = json!({ "reassign": { id(key): id(member) } });
        let field = format!("reassign.{}", id(key));
        for method in [Method::PATCH, Method::DELETE] {
            for path in [leaves.clone(), format!("{leaves}?dry_run=true")] {
                let refused = service.request(method.clone(), &path).json(&body).send().await;
                refused.is_problem(422, "invalid", Some(&field));
            }
        }
    }
    let refused = service.patch(&leaves, json!({ "reassign": { id(&archived): id(&staff) } })).await;
    refused.is_problem(409, "key_archived", None);
    let unknown: serde_json::Map<String, Value> =
        (0..1_001).map(|number| (format!("key_{number:011}"), json!(id(&staff)))).collect();
    service.patch(&leaves, json!({ "reassign": unknown })).await.is_problem(422, "invalid", Some("reassign"));
    let twice = format!(r#"{{"reassign":{{"{0}":"{1}","{0}":"{2}"}}}}"#, id(&reads), id(&staff), id(&reader));
    let refused = service.request(Method::PATCH, &leaves).raw("application/json", twice).send().await;
    refused.is_problem(422, "invalid", Some(&format!("reassign.{}", id(&reads))));
    for wrong in [json!([]), json!("x"), json!({ "key": id(&staff) }), json!({ id(&reads): "nobody" })] {
        assert_eq!(service.patch(&leaves, json!({ "reassign": wrong })).await.is(422).text("code"), "invalid");
    }
    // All or nothing: the one that could have moved did not.
    let both = json!({ "role": "lite", "reassign": { id(&reads): id(&reader), id(&writes): id(&staff) } });
    service.patch(&leaves, both).await.is(422);
    for path in [&leaves, &reads, &writes] {
        assert_eq!(service.get(path).await.is(200).body["version"], 1);
    }
    let narrowed = service.token(None, &["members:write"]).await;
    let body = json!({ "reassign": { id(&reads): id(&reader) } });
    let call = service.request(Method::PATCH, &leaves).bearer(&narrowed).json(&body);
    call.send().await.is_problem(403, "forbidden", None);
    service.patch(&leaves, body).await.is(200);
}
