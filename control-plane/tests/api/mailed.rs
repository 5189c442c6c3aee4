//! `POST /v1/audit/export`, and the link that is sent where the file is large. What sends is not here.

use axum::http::Method;
use keyward_control_plane::domain::limits::{MAILED_EXPORTS, MAILED_EXPORTS_OF_WORKSPACE};
use serde_json::{Value, json};

use crate::mutations::Mutation;
use crate::service::{Reply, Service};

const PATH: &str = "/v1/audit/export";
const ID: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I";
const CONTENT: &[u8] = b"seq,at\r\n1,2026\r\n";

pub(crate) fn mutations() -> Vec<Mutation> {
    vec![Mutation::new(Method::POST, PATH, json!({ "email": "ada@example.com", "format": "csv" }))]
}

async fn newest_details(service: &Service) -> Value {
    let events = service.get("/v1/audit/events?limit=1").await.is(200);
    events.body["items"][0].clone()
}

#[tokio::test]
async fn what_is_to_be_mailed_is_told_to_the_log() {
    let service = Service::start().await;
    let filter = json!({ "action": "Create", "q": "nightly build*", "from": "2026-01-01T00:00:00Z" });
    let body = json!({ "email": "ada@example.com", "format": "jsonl", "filter": filter, "reason": "yearly" });
    let asked = service.post(PATH, body).await.is(202);
    assert_eq!(asked.text("id").len(), 32);
    assert_eq!(asked.body["generation"], service.generation().await);
    let event = newest_details(&service).await;
    assert_eq!(
        (&event["action"], &event["entity"], &event["reason"]),
        (&"Export".into(), &"Audit Log".into(), &"yearly".into())
    );
    let details = &event["details"];
    assert_eq!((&details["by"], &details["recipient"]), (&"mail".into(), &"ada@example.com".into()));
    assert_eq!(details["filter"]["words"], json!(["nightly", "build*"]));
}

#[tokio::test]
async fn what_is_a_workspace_s_goes_to_its_own_people() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let body = json!({ "name": "Ada", "role": "admin", "email": "ada@example.com" });
    service.post(&format!("{workspace}/members"), body).await.is(201);
    let (_, admin) = service.somebody(&workspace, "admin").await;
    let (_, staff) = service.somebody(&workspace, "staff").await;
    let ask = |token: String, email: &'static str| {
        let call = service.request(Method::POST, PATH).bearer(&token);
        async move { call.json(&json!({ "email": email, "format": "csv" })).send().await }
    };
    ask(admin.clone(), "ADA@example.com").await.is(202);
    let event = newest_details(&service).await;
    assert_eq!(event["workspace_id"], workspace.rsplit('/').next().unwrap());
    ask(admin, "eve@example.com").await.is_problem(422, "invalid", Some("email"));
    ask(staff, "ada@example.com").await.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn what_cannot_be_mailed_is_refused() {
    let service = Service::start().await;
    for (body, field) in [
        (json!({ "email": "ada", "format": "csv" }), "email"),
        (json!({ "email": "ada@example.com", "format": "pdf" }), "format"),
        (json!({ "email": "ada@example.com", "format": "csv", "filter": { "action": "Invent" } }), "filter.action"),
        (json!({ "email": "ada@example.com", "format": "csv", "filter": { "nothing": "" } }), "filter.nothing"),
        (json!({ "email": "ada@example.com", "format": "csv", "filter": { "actor": "x".repeat(65) } }), "filter.actor"),
        (json!({ "format": "csv" }), "email"),
    ] {
        let refused = service.post(PATH, body).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        assert_eq!(refused.body["field"], field, "{}", refused.body);
    }
    let body = json!({ "email": "ada@example.com", "format": "csv" });
    for _ in 0..MAILED_EXPORTS {
        service.post(PATH, body.clone()).await.is(202);
    }
    service.post(PATH, body).await.is_problem(409, "export_limit", None);
}

#[tokio::test]
async fn no_workspace_takes_what_others_may_ask_for() {
    let service = Service::start().await;
    let mut admins = Vec::new();
    for name in ["Acme", "Beta"] {
        let workspace = service.workspace(name).await;
        let body = json!({ "name": "Ada", "role": "admin", "email": "ada@example.com" });
        service.post(&format!("{workspace}/members"), body).await.is(201);
        admins.push(service.somebody(&workspace, "admin").await.1);
    }
    let body = json!({ "email": "ada@example.com", "format": "csv" });
    for admin in &admins {
        let ask = async || service.request(Method::POST, PATH).bearer(admin).json(&body).send().await;
        for _ in 0..MAILED_EXPORTS_OF_WORKSPACE {
            ask().await.is(202);
        }
        ask().await.is_problem(409, "export_limit", None);
    }
    for _ in 0..MAILED_EXPORTS {
        service.post(PATH, body.clone()).await.is(202);
    }
}

#[tokio::test]
async fn a_link_ends_with_the_right_to_what_it_opens() {
    for role in ["admin", "lite"] {
        let service = linked().await;
        let workspace = service.workspace("Acme").await;
        let body = json!({ "name": "Ada", "role": "admin", "email": "ada@example.com" });
        service.post(&format!("{workspace}/members"), body).await.is(201);
        let (member, _) = service.somebody(&workspace, "admin").await;
        service
            .behind(
                "UPDATE audit_export SET (member_id, workspace_id) =
                    (SELECT id, workspace_id FROM member WHERE role = 'admin' AND name <> 'Ada')",
            )
            .await;
        fetch(&service, ID, SECRET).await.is(200);
        service.change_role(&member, role).await;
        let again = fetch(&service, ID, SECRET).await;
        if role == "admin" {
            again.is(200);
        } else {
            again.is_problem(410, "export_expired", None);
        }
    }
}

/// An export that was sent as a link, which ends in an hour.
async fn linked() -> Service {
    let service = Service::start().await;
    service.leave_file(ID, CONTENT);
    service
        .behind(&format!(
            "INSERT INTO audit_export (id, recipient, format, filter, created_at, failures, secret_hash, file_name, expires_at)
             VALUES ('{ID}', 'ada@example.com', 'csv',
                '{{\"teams\":[],\"actor_teams\":[],\"words\":[]}}', 0, 0,
                unhex('{}'), 'keyward-audit-7.csv', 1767225600000 + 3600000)",
            hex::encode(keyward_control_plane::domain::token::TokenHash::of(SECRET).0)
        ))
        .await;
    service
}

async fn fetch(service: &Service, id: &str, secret: &str) -> Reply {
    let path = format!("/v1/audit/exports/{id}/{secret}");
    service.request(Method::GET, &path).without("authorization").send().await
}

#[tokio::test]
async fn a_link_is_all_that_opens_a_file_and_each_time_is_told() {
    let service = linked().await;
    let file = fetch(&service, ID, SECRET).await.is(200);
    assert_eq!(file.bytes, CONTENT);
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"keyward-audit-7.csv\"");
    assert_eq!((file.header("cache-control"), file.header("referrer-policy")), ("no-store", "no-referrer"));
    let event = newest_details(&service).await;
    assert_eq!((&event["action"], &event["details"]["operation"]), (&"Export".into(), &"download".into()));
    assert_eq!((&event["actor"]["kind"], &event["actor"]["name"]), (&"system".into(), &"link".into()));
    assert_eq!(event["request_id"], file.header("x-request-id"));
    assert!(!event.to_string().contains(SECRET));
}

#[tokio::test]
async fn to_look_at_a_link_is_not_to_fetch_the_file() {
    let service = linked().await;
    let events = service.audit_events().await;
    for (secret, status) in [(SECRET, 200), ("x", 404)] {
        let path = format!("/v1/audit/exports/{ID}/{secret}");
        let looked = service.request(Method::HEAD, &path).without("authorization").send().await;
        assert_eq!(looked.status, status);
        assert!(status != 200 || looked.header("content-length") == CONTENT.len().to_string());
    }
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn a_wrong_link_finds_nothing_and_an_old_one_has_ended() {
    let service = linked().await;
    let events = service.audit_events().await;
    let other = ID.replace('0', "1");
    for (id, secret) in
        [(ID, "x"), (ID, &SECRET[1..]), (ID, ""), (&*other, SECRET), ("..", SECRET), ("%2e%2e%2fkeyward.db", SECRET)]
    {
        fetch(&service, id, secret).await.is_problem(404, "not_found", None);
    }
    service.pass_seconds(3_600);
    fetch(&service, ID, SECRET).await.is_problem(410, "export_expired", None);
    fetch(&service, ID, "x").await.is_problem(404, "not_found", None);
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_told_to_have_been_fetched() {
    let service = linked().await;
    service.leave_file(ID, CONTENT);
    fetch(&service, ID, SECRET).await.is(200);
    service.lose_file(ID);
    let events = service.audit_events().await;
    fetch(&service, ID, SECRET).await.is_problem(410, "export_expired", None);
    assert_eq!(service.audit_events().await, events);
}

#[tokio::test]
async fn a_link_ends_with_the_token_that_asked() {
    for (harm, is_over) in [
        ("SELECT 1", false),
        ("UPDATE token SET revoked_at = created_at WHERE member_id IS NOT NULL", true),
        ("UPDATE token SET expires_at = 1767225600000 + 1 WHERE member_id IS NOT NULL", true),
        ("UPDATE token SET scopes = '[\"keys:read\"]' WHERE member_id IS NOT NULL", true),
        ("UPDATE token SET scopes = '[\"audit:read\"]' WHERE member_id IS NOT NULL", false),
    ] {
        let service = Service::start().await;
        let workspace = service.workspace("Acme").await;
        let body = json!({ "name": "Ada", "role": "admin", "email": "ada@example.com" });
        service.post(&format!("{workspace}/members"), body).await.is(201);
        let (_, admin) = service.somebody(&workspace, "admin").await;
        let body = json!({ "email": "ada@example.com", "format": "csv" });
        let asked = service.request(Method::POST, PATH).bearer(&admin).json(&body).send().await.is(202);
        let id = asked.text("id").to_owned();
        service.leave_file(&id, CONTENT);
        service
            .behind(&format!(
                "UPDATE audit_export SET due_at = NULL, secret_hash = unhex('{}'), file_name = 'audit.csv',
                    expires_at = 1767225600000 + 3600000",
                hex::encode(keyward_control_plane::domain::token::TokenHash::of(SECRET).0)
            ))
            .await;
        fetch(&service, &id, SECRET).await.is(200);
        service.behind(harm).await;
        service.pass_seconds(1);
        let again = fetch(&service, &id, SECRET).await;
        if is_over {
            again.is_problem(410, "export_expired", None);
        } else {
            again.is(200);
        }
    }
}
