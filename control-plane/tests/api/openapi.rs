//! The OpenAPI document and its page, as they are served, and that every route is in them.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use serde_json::Value;

use crate::service::Service;

/// Stand for identifiers in paths. No handler sees them.
const IDENTIFIERS: [(&str, &str); 9] = [
    ("{ws}", "ws_00000000001"),
    ("{key}", "key_00000000001"),
    ("{member}", "mem_00000000001"),
    ("{team}", "team_00000000001"),
    ("{token}", "tok_00000000001"),
    ("{api}", "data"),
    ("{name}", "0a"),
    ("{id}", "00000000000000000000000000000000"),
    ("{secret}", "s"),
];

/// The methods of each path, as the document has them.
async fn documented(service: &Service) -> BTreeMap<String, BTreeSet<String>> {
    let document = service.request(Method::GET, "/openapi.json").without("authorization").send().await.is(200).body;
    let methods = |item: &Value| item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
    document["paths"].as_object().unwrap().iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[tokio::test]
async fn every_route_has_its_operation_and_every_operation_its_route() {
    let service = Service::start().await;
    let documented = documented(&service).await;
    let paths: BTreeSet<String> = documented.keys().cloned().collect();
    assert_eq!(service.routes(), paths, "left: the router's; right: the document's");
    let unknown = Method::from_bytes(b"PURGE").unwrap();
    for (path, methods) in documented {
        let mut asked = path.clone();
        for (name, identifier) in IDENTIFIERS {
            asked = asked.replace(name, identifier);
        }
        let refused = service.request(unknown.clone(), &asked).send().await;
        refused.is_problem(405, "method_not_allowed", None);
        let allowed = refused.header("allow").split(',').map(|method| method.trim().to_owned());
        // HEAD comes with GET.
        let allowed: BTreeSet<String> = allowed.filter(|method| method != "HEAD").collect();
        assert_eq!(allowed, methods, "{path}; left: the router's; right: the document's");
    }
}

#[tokio::test]
async fn the_document_and_its_page_need_no_token_and_no_other_host() {
    let service = Service::start().await;
    let document = service.request(Method::GET, "/openapi.json").without("authorization").send().await.is(200);
    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.body["openapi"], "3.1.0");
    // Where they differ is said by the test of the document itself.
    let agreed: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    assert!(document.body == agreed, "what is served is not the document that was agreed");
    let page = service.request(Method::GET, "/docs").without("authorization").send().await.is(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let html = String::from_utf8(page.bytes.clone()).unwrap();
    for from_elsewhere in ["<script", "<link", "<img", "src=", "@import", "url(", "http://", "https://"] {
        assert!(!html.contains(from_elsewhere), "{from_elsewhere}");
    }
    for operation in document.body["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap()) {
        let name = operation.1["operationId"].as_str().unwrap();
        assert!(html.contains(&format!("<details id=\"{name}\">")), "{name} is not on the page");
    }
}

#[tokio::test]
async fn an_import_is_told_with_its_precondition_and_its_one_secret() {
    let service = Service::start().await;
    let document = service.request(Method::GET, "/openapi.json").without("authorization").send().await.is(200).body;
    let import = &document["paths"]["/v1/keys/import"]["post"];
    assert_eq!(import["responses"]["412"]["$ref"], "#/components/responses/412");
    let if_match = "#/components/parameters/If-Match";
    assert!(import["parameters"].as_array().unwrap().iter().any(|parameter| parameter["$ref"] == if_match));
    let lines = document["components"]["schemas"]["ImportLine"]["oneOf"].as_array().unwrap();
    let [secret, digest] = lines.as_slice() else { panic!("{lines:?}") };
    for (line, given, other) in [(secret, "secret", "sha256"), (digest, "sha256", "secret")] {
        let required: Vec<&Value> = line["required"].as_array().unwrap().iter().collect();
        assert!(required.contains(&&Value::from(given)) && !required.contains(&&Value::from(other)), "{line}");
        assert!(line["properties"][given]["$ref"].is_string(), "{line}");
        assert_eq!(line["properties"][other]["type"], "null");
        assert_eq!(line["properties"].as_object().unwrap().len(), 13);
        assert_eq!(line["additionalProperties"], false);
    }
}
