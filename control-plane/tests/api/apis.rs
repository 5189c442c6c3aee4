//! `/v1/apis`.

use axum::http::Method;
use serde_json::json;

use crate::mutations::Mutation;
use crate::service::Service;

#[tokio::test]
async fn an_api_is_put_replaced_and_deleted() {
    let service = Service::start().await;
    let body = json!({ "title": "Data", "routes": [{ "path_prefix": "/v1/data" }] });
    let made = service.put("/v1/apis/data", body).await.is(201);
    assert_eq!(made.text("name"), "data");
    assert_eq!(made.body["routes"], json!([{ "path_prefix": "/v1/data", "methods": [], "access": "by_method" }]));
    let body = json!({
        "name": "data",
        "title": "Data",
        "routes": [{ "path_prefix": "/v2/data", "methods": ["GET"], "access": "read" }],
    });
    let replaced = service.put("/v1/apis/data", body).await.is(200);
    let version = made.body["version"].as_u64().unwrap();
    assert_eq!(replaced.body["version"], version + 1);
    let read = service.get("/v1/apis/data").await.is(200);
    assert_eq!(read.header("etag"), replaced.header("etag"));
    assert_eq!(read.body["routes"][0]["path_prefix"], "/v2/data");

    service.delete("/v1/apis/data").await.is(200);
    service.put("/v1/apis/data", json!({ "title": "Another" })).await.is(201);
    let late =
        service.request(Method::DELETE, "/v1/apis/data").header("if-match", replaced.header("etag")).send().await;
    late.is_problem(412, "precondition_failed", None);
    service.delete("/v1/apis/data").await.is(200);
    let gone = service.get("/v1/apis/data").await;
    gone.is_problem(404, "not_found", None);
    let list = service.get("/v1/apis").await.is(200);
    assert_eq!(list.body, json!({ "items": [], "next_cursor": null }));
}

#[tokio::test]
async fn a_route_belongs_to_one_api() {
    let service = Service::start().await;
    let body = json!({ "title": "Data", "routes": [{ "path_prefix": "/v1/data" }] });
    service.put("/v1/apis/data", body.clone()).await.is(201);
    let refused = service.put("/v1/apis/push", body).await;
    refused.is_problem(409, "route_conflict", Some("routes[0]"));
}

#[tokio::test]
async fn the_name_is_the_paths() {
    let service = Service::start().await;
    let body = json!({ "name": "push", "title": "Data", "routes": [] });
    let refused = service.put("/v1/apis/data", body).await;
    refused.is_problem(422, "invalid", Some("name"));
    let refused = service.put("/v1/apis/No%20Name", json!({})).await;
    refused.is_problem(422, "invalid", Some("name"));
}

#[tokio::test]
async fn coverage_follows_the_catalogue() {
    let service = Service::start().await;
    service.put("/v1/apis/data", json!({})).await.is(201);
    let workspace = service.workspace("Acme").await;
    let body = json!({ "name": "one", "access": "read-only", "apis": ["data"] });
    let made = service.post(&format!("{workspace}/keys"), body).await.is(201);
    assert_eq!(made.body["key"]["coverage"], "full");
    let path = made.header("location").to_owned();
    service.put("/v1/apis/push", json!({})).await.is(201);
    let read = service.get(&path).await.is(200);
    assert_eq!(read.body["coverage"], "partial");
    assert_ne!(read.header("etag"), made.header("etag"));
}

#[tokio::test]
async fn coverage_is_full_as_long_as_every_api_there_is_is_granted() {
    let service = Service::start().await;
    for api in ["data", "push"] {
        service.put(&format!("/v1/apis/{api}"), json!({})).await.is(201);
    }
    let workspace = service.workspace("Acme").await;
    for (name, apis) in [("all", json!(["*"])), ("both", json!(["data", "push"])), ("one", json!(["data"]))] {
        let body = json!({ "name": name, "access": "read-only", "apis": apis });
        service.post(&format!("{workspace}/keys"), body).await.is(201);
    }
    let coverage = async || -> Vec<String> {
        let listed = service.get(&format!("{workspace}/keys?sort=name")).await.is(200);
        let mut coverage = Vec::new();
        for key in listed.body["items"].as_array().unwrap() {
            let read = service.get(&format!("{workspace}/keys/{}", key["id"].as_str().unwrap())).await.is(200);
            assert_eq!(read.body, *key);
            coverage.push(read.text("coverage").to_owned());
        }
        coverage
    };
    assert_eq!(coverage().await, ["full", "full", "partial"]);
    service.put("/v1/apis/mail", json!({})).await.is(201);
    assert_eq!(coverage().await, ["full", "partial", "partial"]);
    service.delete("/v1/apis/mail").await.is(200);
    assert_eq!(coverage().await, ["full", "full", "partial"]);
    service.delete("/v1/apis/push").await.is(200);
    assert_eq!(coverage().await, ["full", "full", "full"]);
    // An API of the same name is another one.
    service.put("/v1/apis/push", json!({})).await.is(201);
    assert_eq!(coverage().await, ["full", "partial", "partial"]);
}

/// Every mutation of the catalogue.
pub(crate) async fn mutations(service: &Service) -> Vec<Mutation> {
    service.put("/v1/apis/data", json!({})).await.is(201);
    vec![
        Mutation::new(Method::PUT, "/v1/apis/new", json!({})),
        Mutation::new(Method::PUT, "/v1/apis/data", json!({ "title": "Data" })),
        Mutation::new(Method::DELETE, "/v1/apis/data", json!({})),
    ]
}
