//! A change of role and a removal are one change: as it was shown, with every event, or none of it.

use axum::http::Method;
use serde_json::{Value, json};

use super::{key_of, outcomes, send};
use crate::members::{add, id};
use crate::service::Service;

#[tokio::test]
async fn a_key_made_between_preview_and_change_of_role_fails_the_if_match() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for role in ["lite", "read-only"] {
        let member = add(&service, &workspace, "admin").await;
        let seen = key_of(&service, &workspace, &member, &format!("seen, {role}"), "read-write").await;
        let change = json!({ "role": role });
        let preview = || async { service.patch(&format!("{member}?dry_run=true"), change.clone()).await.is(200) };
        let shown = preview().await;
        let between = key_of(&service, &workspace, &member, &format!("between, {role}"), "read-write").await;
        let refused = send(&service, Method::PATCH, &member, shown.text("etag"), &change).await;
        refused.is_problem(412, "precondition_failed", None);
        assert_eq!(service.get(&member).await.text("role"), "admin", "{role}");
        for key in [&seen, &between] {
            service.get(key).await.is(200);
        }
        let shown = preview().await;
        assert_eq!(outcomes(&shown).len(), 2, "{}", shown.body);
        send(&service, Method::PATCH, &member, shown.text("etag"), &change).await.is(200);
        for key in [&seen, &between] {
            service.get(key).await.is_problem(404, "not_found", None);
        }
    }
}

#[tokio::test]
async fn a_change_of_role_or_a_removal_is_one_generation_with_all_of_its_events() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for (method, action, change) in
        [(Method::PATCH, "Update", json!({ "role": "lite" })), (Method::DELETE, "Delete", json!({}))]
    {
        let (leaves, stays) = (add(&service, &workspace, "staff").await, add(&service, &workspace, "staff").await);
        let token = service.post(&format!("{leaves}/tokens"), json!({ "name": "laptop" })).await.is(201);
        let moved = key_of(&service, &workspace, &leaves, &format!("moved, {method}"), "read-write").await;
        let ended = key_of(&service, &workspace, &leaves, &format!("ended, {method}"), "read-only").await;
        let mut body = change.clone();
        body["reassign"] = json!({ id(&moved): id(&stays) });
        let (events, generation) = (service.audit_events().await, service.generation().await);
        let done = service.request(method.clone(), &leaves).json(&body).send().await.is(200);
        assert_eq!((service.generation().await, &done.body["generation"]), (generation + 1, &json!(generation + 1)));
        let request = done.header("x-request-id").to_owned();
        let event = |action: &str, entity: &str, path: &str| {
            (action.to_owned(), entity.to_owned(), id(path).to_owned(), request.clone())
        };
        let mut wanted = vec![
            event(action, "Members", &leaves),
            event("Update", "API Keys", &moved),
            event("Delete", "API Keys", &ended),
        ];
        if method == Method::DELETE {
            wanted.push(event("Delete", "Tokens", token.header("location")));
        }
        assert_eq!(service.events_of(generation + 1).await, wanted);
        assert_eq!(service.audit_events().await, events + i64::try_from(wanted.len()).unwrap());
    }
}

#[tokio::test]
async fn what_fails_at_its_last_event_changes_nothing_at_all() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    for (method, change, last) in [
        (Method::PATCH, json!({ "role": "lite" }), "NEW.action = 'Delete' AND NEW.entity = 'API Keys'"),
        (Method::DELETE, json!({}), "NEW.action = 'Delete' AND NEW.entity = 'Tokens'"),
    ] {
        let (leaves, stays) = (add(&service, &workspace, "staff").await, add(&service, &workspace, "staff").await);
        let token = service.post(&format!("{leaves}/tokens"), json!({ "name": "laptop" })).await.is(201);
        let moved = key_of(&service, &workspace, &leaves, &format!("moved, {method}"), "read-write").await;
        let ended = key_of(&service, &workspace, &leaves, &format!("ended, {method}"), "read-only").await;
        let mut body = change.clone();
        body["reassign"] = json!({ id(&moved): id(&stays) });
        let before = (service.audit_events().await, service.generation().await);
        let refuse = format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON audit_event WHEN {last} BEGIN SELECT RAISE(ABORT, 'no'); END"
        );
        service.behind(&refuse).await;
        let failed = service.request(method.clone(), &leaves).json(&body).send().await;
        assert!(failed.status.is_server_error(), "{method}: {}", failed.body);
        assert_eq!((service.audit_events().await, service.generation().await), before, "{method}");
        let read = service.get(&leaves).await.is(200);
        assert_eq!((read.text("role"), &read.body["version"]), ("staff", &json!(1)));
        for key in [&moved, &ended] {
            let read = service.get(key).await.is(200);
            assert_eq!((&read.body["member"]["id"], &read.body["version"]), (&json!(id(&leaves)), &json!(1)));
        }
        service.get(token.header("location")).await.is(200);

        service.behind("DROP TRIGGER refuse").await;
        service.request(method.clone(), &leaves).json(&body).send().await.is(200);
        let read = service.get(&moved).await.is(200);
        assert_eq!(read.body["member"]["id"], Value::from(id(&stays)));
        service.get(&ended).await.is_problem(404, "not_found", None);
    }
}
