//! `GET /openapi.json` and `GET /docs`: the OpenAPI document and the page that shows it.
//!
//! The document comes from the code: an operation from the attribute above its handler, a shape from
//! the struct that is read or written, a value from [`super::wire::schema`]. What all operations share
//! (who may ask, identifiers in paths, headers, refusals) is added by [`operations`], so that an
//! attribute says what is its own and no more. Must never know a resource.

mod operations;
mod page;
mod shared;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::wire::schema;
use super::{answer, health, v1};

/// Where everything stands that others refer to, and schemas among it.
const COMPONENTS: &str = "#/components";
const SCHEMAS: &str = "#/components/schemas/";

static DOCUMENT: LazyLock<Value> = LazyLock::new(build);
static PAGE: LazyLock<page::Page> = LazyLock::new(|| page::render(&DOCUMENT));

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(openapi, docs))]
struct Operations;

/// The OpenAPI document.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi",
    responses((status = 200, body = schema::Document), (status = 304, description = "It is what the client has.")),
)]
pub(super) async fn openapi(headers: HeaderMap) -> Response {
    answer::list(&headers, document())
}

/// This document as a page
#[utoipa::path(get, path = "/docs", operation_id = "docs", responses((status = 200, content_type = "text/html")))]
pub(super) async fn docs() -> Response {
    let mut response = Html(PAGE.html.as_str()).into_response();
    let headers = response.headers_mut();
    // The page has no script and loads nothing; only its own style counts.
    if let Ok(policy) = HeaderValue::from_str(&PAGE.policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn build() -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for part in [Operations::openapi(), health::Operations::openapi()].into_iter().chain(v1::operations()) {
        // It has a JSON form; the snapshot that a test holds would lack what did not.
        let mut part = serde_json::to_value(&part).unwrap_or_default();
        for (path, item) in members(part["paths"].take()) {
            let all = paths.entry(path).or_insert_with(|| json!({}));
            if let Some(all) = all.as_object_mut() {
                all.extend(members(item));
            }
        }
        schemas.extend(members(part["components"]["schemas"].take()));
    }
    let named = schemas.clone();
    for schema in schemas.values_mut() {
        refer(schema, &named, true);
    }
    schemas.extend(schema::all().into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    schemas.insert("Problem".to_owned(), shared::problem());
    for (path, item) in &mut paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            operations::complete(path, method, operation, &schemas);
        }
    }
    let paths = Value::Object(paths);
    let mut components = json!({
        "schemas": schemas,
        "responses": shared::responses(),
        "parameters": shared::parameters(),
        "headers": shared::headers(),
    });
    keep_used(&paths, &mut components);
    components["securitySchemes"] = json!({
        "token": {
            "type": "http", "scheme": "bearer",
            "description": "An operator's token, or one of a member, which has that member's rights.",
        },
        "edge": { "type": "http", "scheme": "bearer", "description": "The edges' own credential." },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Keyward",
            "version": env!("CARGO_PKG_VERSION"),
            "description": shared::INTRODUCTION,
            "contact": { "name": "Keyward" },
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "tags": operations::tags(&paths),
        "paths": paths,
        "components": components,
    })
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Says by reference what a schema repeats of another one.
fn refer(value: &mut Value, named: &Map<String, Value>, is_whole: bool) {
    if !is_whole
        && value.get("properties").is_some()
        && let Some((name, _)) = named.iter().find(|(_, schema)| **schema == *value)
    {
        *value = json!({ "$ref": format!("{SCHEMAS}{name}") });
        return;
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(|value| refer(value, named, false)),
        Value::Array(values) => values.iter_mut().for_each(|value| refer(value, named, false)),
        _ => {}
    }
}

/// Leaves out the components that nothing refers to, from here or from one that stays.
fn keep_used(from: &Value, components: &mut Value) {
    let mut used = BTreeSet::new();
    let mut open = vec![from];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => open.extend(members.values()),
            Value::Array(values) => open.extend(values),
            Value::String(text) => {
                if let Some(pointer) = text.strip_prefix(COMPONENTS)
                    && used.insert(pointer.to_owned())
                {
                    open.extend(components.pointer(pointer));
                }
            }
            _ => {}
        }
    }
    for (kind, entries) in components.as_object_mut().into_iter().flatten() {
        if let Some(entries) = entries.as_object_mut() {
            entries.retain(|name, _| used.contains(&format!("/{kind}/{name}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut open = vec![document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(members) => open.extend(members.values()),
                Value::Array(values) => open.extend(values),
                Value::String(text) if text.starts_with("#/") => {
                    assert!(document.pointer(&text[1..]).is_some(), "{text}");
                }
                _ => {}
            }
        }
    }

    #[test]
    fn what_is_repeated_is_said_by_reference() {
        let named = members(json!({ "A": { "properties": { "a": {} } } }));
        let mut whole = json!({ "items": { "properties": { "a": {} } }, "properties": {} });
        refer(&mut whole, &named, true);
        assert_eq!(whole, json!({ "items": { "$ref": "#/components/schemas/A" }, "properties": {} }));
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let mut seen = BTreeSet::new();
        for item in document()["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                assert!(seen.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            }
        }
    }
}
