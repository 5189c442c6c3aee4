//! `POST /v1/workspaces/{ws}/keys/{key}/reveal`.

use axum::http::Method;
use serde_json::{Value, json};

use crate::mutations::Mutation;
use crate::service::{Reply, Service};

/// A workspace that keeps secrets sealed.
async fn sealed_workspace(service: &Service) -> String {
    let made = service.post("/v1/workspaces", json!({ "name": "Sealed", "reveal": "sealed" })).await.is(201);
    format!("/v1/workspaces/{}", made.text("id"))
}

/// Makes a key with this token and tells its path and its secret.
async fn key(service: &Service, workspace: &str, token: Option<&str>) -> (String, String) {
    let call = service.request(Method::POST, &format!("{workspace}/keys"));
    let call = match token {
        Some(token) => call.bearer(token),
        None => call,
    };
    let name = format!("key {}", service.audit_events().await);
    let made = call.json(&json!({ "name": name, "access": "read-only", "apis": ["*"] })).send().await.is(201);
    (made.header("location").to_owned(), made.text("secret").to_owned())
}

async fn reveal(service: &Service, key: &str) -> Reply {
    service.post(&format!("{key}/reveal"), json!({})).await
}

async fn reveal_as(service: &Service, token: &str, key: &str) -> Reply {
    service.request(Method::POST, &format!("{key}/reveal")).bearer(token).json(&json!({})).send().await
}

#[tokio::test]
async fn a_sealed_secret_is_shown_again_to_its_member_and_to_admins() {
    let service = Service::start().await;
    let workspace = sealed_workspace(&service).await;
    let (_, staff) = service.somebody(&workspace, "staff").await;
    let (path, secret) = key(&service, &workspace, Some(&staff)).await;
    let (_, admin) = service.somebody(&workspace, "admin").await;
    let (_, owner) = service.somebody(&workspace, "owner").await;
    for token in [&staff, &admin, &owner] {
        let shown = reveal_as(&service, token, &path).await.is(200);
        assert_eq!(shown.text("secret"), secret);
        assert_eq!(shown.header("cache-control"), "no-store");
        assert!(shown.body["generation"].as_u64() > Some(1));
        let read = service.get(&path).await.is(200);
        assert_eq!((&shown.body["key"], shown.header("etag")), (&read.body, read.header("etag")));
    }
    assert_eq!(reveal(&service, &path).await.is(200).text("secret"), secret);
    // It is none of a change, and survives a restart.
    assert_eq!(service.get(&path).await.body["version"], 1);
    let service = service.restarted().await;
    assert_eq!(reveal(&service, &path).await.is(200).text("secret"), secret);
}

#[tokio::test]
async fn staff_reveal_no_key_of_others() {
    let service = Service::start().await;
    let workspace = sealed_workspace(&service).await;
    let (path, _) = key(&service, &workspace, None).await;
    let elsewhere = service.workspace("Elsewhere").await;
    let events = service.audit_events().await;
    for role in ["staff", "read-only", "lite"] {
        let (_, token) = service.somebody(&workspace, role).await;
        reveal_as(&service, &token, &path).await.is_problem(404, "not_found", None);
    }
    let (_, token) = service.somebody(&elsewhere, "owner").await;
    reveal_as(&service, &token, &path).await.is_problem(404, "not_found", None);
    let admin = service.member(&workspace, "admin").await;
    let writes = service.token(Some(&admin), &["keys:read", "keys:write"]).await;
    reveal_as(&service, &writes, &path).await.is_problem(403, "forbidden", None);
    let reveals = service.token(Some(&admin), &["keys:reveal", "keys:read"]).await;
    assert_eq!(service.audit_events().await, events);
    reveal_as(&service, &reveals, &path).await.is(200);
}

#[tokio::test]
async fn who_may_have_read_only_keys_only_is_shown_no_other() {
    let service = Service::start().await;
    let workspace = sealed_workspace(&service).await;
    let (_, staff) = service.somebody(&workspace, "staff").await;
    let body = json!({ "name": "writes", "access": "read-write", "apis": ["*"] });
    let made = service.request(Method::POST, &format!("{workspace}/keys")).bearer(&staff).json(&body).send().await;
    let path = made.is(201).header("location").to_owned();
    reveal_as(&service, &staff, &path).await.is(200);
    service.patch(&workspace, json!({ "staff_max_access": "read-only" })).await.is(200);
    reveal_as(&service, &staff, &path).await.is_problem(403, "forbidden", None);
}

#[tokio::test]
async fn each_reveal_is_an_audit_event() {
    let service = Service::start().await;
    let workspace = sealed_workspace(&service).await;
    let (member, staff) = service.somebody(&workspace, "staff").await;
    let (path, _) = key(&service, &workspace, Some(&staff)).await;
    for reason in ["lost the note", "lost it again"] {
        let events = service.audit_events().await;
        let call = service.request(Method::POST, &format!("{path}/reveal")).bearer(&staff);
        let shown = call.json(&json!({ "reason": reason })).send().await.is(200);
        let (action, entity, told, request) = service.last_event().await;
        assert_eq!((action.as_str(), entity.as_str(), told.as_deref()), ("Reveal", "API Keys", Some(reason)));
        assert_eq!(request, shown.header("x-request-id"));
        assert_eq!(service.last_actor().await.1, member);
        assert_eq!(service.audit_events().await, events + 1);
    }
}

#[tokio::test]
async fn a_key_brought_as_a_digest_is_not_revealable() {
    let service = Service::start().await;
    let workspace = sealed_workspace(&service).await;
    let body = json!({ "name": "old", "access": "read-only", "apis": ["*"], "sha256": "5e".repeat(32) });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    let path = made.header("location").to_owned();
    let events = service.audit_events().await;
    reveal(&service, &path).await.is_problem(409, "not_revealable", None);
    assert_eq!(service.audit_events().await, events);
    // Its next secret is made here.
    let rotated = service.post(&format!("{path}/rotate"), json!({ "grace_seconds": 60 })).await.is(200);
    assert_eq!(reveal(&service, &path).await.is(200).text("secret"), rotated.text("secret"));
}

#[tokio::test]
async fn of_keys_that_are_imported_those_brought_in_the_clear_are_revealable() {
    let service = Service::start().await;
    let (sealed, once) = (sealed_workspace(&service).await, service.workspace("Once").await);
    let line = |workspace: &str, secret: Value| {
        let mut line = json!({
            "external_id": secret.to_string(), "workspace": workspace.rsplit('/').next(), "name": secret.to_string(),
            "access": "read-only", "apis": ["*"],
        });
        line.as_object_mut().unwrap().extend(secret.as_object().unwrap().clone());
        format!("{line}\n")
    };
    let (kept, not_kept) = ("a-secret-that-is-kept-for-later", "a-secret-that-is-not-kept-for-later");
    let lines = [
        line(&sealed, json!({ "secret": kept })),
        line(&sealed, json!({ "sha256": "5e".repeat(32) })),
        line(&once, json!({ "secret": not_kept })),
    ];
    let import = service.request(Method::POST, "/v1/keys/import").raw("application/x-ndjson", lines.concat());
    let results = String::from_utf8(import.send().await.is(200).bytes).unwrap();
    let mut keys = Vec::new();
    for (result, workspace) in results.lines().zip([&sealed, &sealed, &once]) {
        let result: Value = serde_json::from_str(result).unwrap();
        keys.push(format!("{workspace}/keys/{}", result["key_id"].as_str().unwrap()));
    }
    assert_eq!(reveal(&service, &keys[0]).await.is(200).text("secret"), kept);
    for key in &keys[1..] {
        reveal(&service, key).await.is_problem(409, "not_revealable", None);
    }
}

#[tokio::test]
async fn where_secrets_are_shown_once_none_is_shown_again() {
    let service = Service::start().await;
    let workspace = service.workspace("Once").await;
    let (path, _) = key(&service, &workspace, None).await;
    reveal(&service, &path).await.is_problem(409, "not_revealable", None);
    service.patch(&workspace, json!({ "reveal": "sealed" })).await.is(200);
    // What was not kept is not there.
    reveal(&service, &path).await.is_problem(409, "not_revealable", None);
    let (later, secret) = key(&service, &workspace, None).await;
    assert_eq!(reveal(&service, &later).await.is(200).text("secret"), secret);
}

#[tokio::test]
async fn from_sealed_to_once_erases_the_sealed_secrets() {
    let service = Service::start().await;
    let workspace = sealed_workspace(&service).await;
    let (path, _) = key(&service, &workspace, None).await;
    let other = sealed_workspace(&service).await;
    let (kept, secret) = key(&service, &other, None).await;
    service.patch(&workspace, json!({ "reveal": "once" })).await.is(200);
    reveal(&service, &path).await.is_problem(409, "not_revealable", None);
    service.patch(&workspace, json!({ "reveal": "sealed" })).await.is(200);
    reveal(&service, &path).await.is_problem(409, "not_revealable", None);
    assert_eq!(reveal(&service, &kept).await.is(200).text("secret"), secret);
}

#[tokio::test]
async fn the_current_secret_is_the_one_that_is_shown() {
    let service = Service::start().await;
    let workspace = sealed_workspace(&service).await;
    let (path, first) = key(&service, &workspace, None).await;
    let rotate = json!({ "grace_seconds": 3600 });
    let second = service.post(&format!("{path}/rotate"), rotate.clone()).await.is(200).text("secret").to_owned();
    assert_eq!(reveal(&service, &path).await.is(200).text("secret"), second);
    service.post(&format!("{path}/rotation/cancel"), json!({})).await.is(200);
    assert_eq!(reveal(&service, &path).await.is(200).text("secret"), first);
    let third = service.post(&format!("{path}/rotate"), rotate).await.is(200).text("secret").to_owned();
    service.pass_seconds(3600);
    assert_eq!(reveal(&service, &path).await.is(200).text("secret"), third);
    service.post(&format!("{path}/disable"), json!({})).await.is(200);
    assert_eq!(reveal(&service, &path).await.is(200).text("secret"), third);
    service.post(&format!("{path}/archive"), json!({})).await.is(200);
    reveal(&service, &path).await.is_problem(409, "key_archived", None);
    service.delete(&path).await.is(200);
    reveal(&service, &path).await.is_problem(404, "not_found", None);
}

/// Every mutation that shows a secret again.
pub(crate) async fn mutations(service: &Service) -> Vec<Mutation> {
    let workspace = sealed_workspace(service).await;
    let (path, _) = key(service, &workspace, None).await;
    vec![Mutation::new(Method::POST, format!("{path}/reveal"), Value::Object(serde_json::Map::new()))]
}
