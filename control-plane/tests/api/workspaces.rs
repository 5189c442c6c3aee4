//! `/v1/workspaces`.

use axum::http::Method;
use serde_json::{Value, json};

use crate::mutations::Mutation;
use crate::service::Service;

#[tokio::test]
async fn a_workspace_is_made_read_changed_and_deleted() {
    let service = Service::start().await;
    let body = json!({ "name": "Acme, Inc.", "external_id": "crm-7", "metadata": { "tier": 1 } });
    let made = service.post("/v1/workspaces", body).await.is(201);
    assert_eq!(made.text("slug"), "acme-inc");
    assert_eq!(made.text("status"), "active");
    assert_eq!(made.text("staff_max_access"), "read-write");
    assert_eq!(made.text("reveal"), "once");
    assert_eq!(made.body["max_keys"], Value::Null);
    assert_eq!(made.body["metadata"], json!({ "tier": 1 }));
    let path = made.header("location").to_owned();

    let read = service.get(&path).await.is(200);
    assert_eq!(read.header("etag"), made.header("etag"));
    let mut with_generation = read.body.clone();
    with_generation["generation"] = made.body["generation"].clone();
    assert_eq!(with_generation, made.body);

    let edit = json!({ "name": "Acme", "external_id": null, "max_keys": 3 });
    let changed = service.patch(&path, edit).await.is(200);
    assert_eq!(changed.text("name"), "Acme");
    assert_eq!(changed.text("slug"), "acme-inc");
    assert_eq!(changed.body["external_id"], Value::Null);
    assert_eq!(changed.body["max_keys"], 3);
    assert!(changed.body["generation"].as_u64() > made.body["generation"].as_u64());

    let refused = service.delete(&path).await;
    refused.is_problem(409, "not_suspended", None);
    let suspend = json!({ "status": "suspended" });
    service.patch(&path, suspend).await.is(200);
    let gone = service.delete(&path).await.is(200);
    assert!(gone.body["generation"].is_u64());
    service.get(&path).await.is_problem(404, "not_found", None);
}

#[tokio::test]
async fn a_slug_is_taken_once() {
    let service = Service::start().await;
    let body = json!({ "name": "One", "slug": "shared" });
    service.post("/v1/workspaces", body.clone()).await.is(201);
    let refused = service.post("/v1/workspaces", body).await;
    refused.is_problem(409, "slug_taken", Some("slug"));

    // One that is made from the name gives way by itself.
    let body = json!({ "name": "Shared" });
    let made = service.post("/v1/workspaces", body).await.is(201);
    assert!(made.text("slug").starts_with("shared-"));
}

#[tokio::test]
async fn the_keys_of_a_deleted_workspace_are_gone_with_it() {
    let service = Service::start().await;
    let workspace = service.workspace("Acme").await;
    let key = service.key(&workspace, "one").await;
    let suspend = json!({ "status": "suspended" });
    service.patch(&workspace, suspend).await.is(200);
    service.delete(&workspace).await.is(200);
    service.get(&key).await.is_problem(404, "not_found", None);
}

/// Every mutation of workspaces.
pub(crate) async fn mutations(service: &Service) -> Vec<Mutation> {
    let workspace = service.workspace("Changing").await;
    vec![
        Mutation::new(Method::POST, "/v1/workspaces", json!({ "name": "Another" })),
        Mutation::new(Method::PATCH, &workspace, json!({ "name": "Changed", "status": "suspended" })),
        Mutation::new(Method::DELETE, &workspace, json!({})),
    ]
}
