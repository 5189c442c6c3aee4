//! What operations share, told from an operation's method and path alone: its tag, the identifiers in
//! its path, its headers, how it can be refused, and what surrounds an answer.

use serde_json::{Map, Value, json};

use super::SCHEMAS;

/// What an operation does, as far as the others of its kind do the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Asks no token.
    Open,
    /// Hands the snapshot to edges.
    Lane,
    /// Takes what edges report.
    Report,
    /// Reads.
    Read,
    /// Reads any number of things, as a file.
    File,
    /// Asks no token, but what is in its path.
    Link,
    /// Takes a body and changes nothing.
    Ask,
    /// Brings any number of lines.
    Import,
    /// Changes something.
    Change,
}

/// Part of a path, the tag of the operations there, and what they are about. The first that fits counts.
const TAGS: [(&str, &str, &str); 12] = [
    ("/tokens", "Tokens", "What acts as a member."),
    ("/members", "Members", "The people and machines that keys belong to, and their roles."),
    ("/teams", "Teams", "Groups of members and keys."),
    ("/keys", "Keys", "The life of keys."),
    ("/v1/explain", "Keys", "The life of keys."),
    ("/v1/workspaces", "Workspaces", "The tenants."),
    ("/v1/apis", "APIs", "The catalogue of what keys may call."),
    ("/v1/settings", "Settings", "What travels to every edge beside the routes."),
    ("/v1/audit", "Audit log", "Who did what, and the proof of it."),
    ("/v1/snapshot", "Snapshot", "How far publishing has come, and what edges read."),
    ("/v1/edges", "Edges", "The edges that were heard from, and what they report."),
    ("/", "Service", "Whether it is well, and what it offers."),
];

/// POSTs that change nothing.
const ASKED: [&str; 2] = ["/v1/keys/lookup", "/v1/explain"];
/// Where a filter can name what is not there.
const AUDIT: &str = "/v1/audit/";
const REPORT: &str = "/v1/edges/report";
const IMPORT: &str = "/v1/keys/import";
const EXPORT: &str = "/v1/audit/export";
const LINK: &str = "/v1/audit/exports/{id}/{secret}";

/// The tags of these paths, in their order.
pub(super) fn tags(paths: &Value) -> Vec<Value> {
    let used: Vec<&str> = paths.as_object().into_iter().flat_map(Map::keys).filter_map(|path| tag(path)).collect();
    let mut tags: Vec<Value> = Vec::new();
    for (_, name, description) in TAGS {
        let tag = json!({ "name": name, "description": description });
        if used.contains(&name) && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

fn tag(path: &str) -> Option<&'static str> {
    TAGS.iter().find(|(part, ..)| path.contains(part)).map(|(_, tag, _)| *tag)
}

/// Adds to an operation what it shares with others.
pub(super) fn complete(path: &str, method: &str, operation: &mut Value, schemas: &Map<String, Value>) {
    let kind = Kind::of(path, method);
    operation["tags"] = json!([tag(path)]);
    if operation["description"].is_null() {
        operation["description"] = json!(format!("{}.", operation["summary"].as_str().unwrap_or_default()));
    }
    if kind.asks_no_token() {
        operation["security"] = json!([]);
    }
    if kind == Kind::Report {
        operation["security"] = json!([{ "edge": [] }]);
    }
    parameters(path, method, kind, operation);
    body(method, operation, schemas);
    responses(path, method, kind, operation);
}

impl Kind {
    fn of(path: &str, method: &str) -> Self {
        match (path, method) {
            ("/v1/snapshot/head" | "/v1/snapshot/objects/{name}", _) => Self::Lane,
            (REPORT, _) => Self::Report,
            (IMPORT, _) => Self::Import,
            (EXPORT, "get") => Self::File,
            (LINK, _) => Self::Link,
            (path, _) if !path.starts_with("/v1/") => Self::Open,
            (path, _) if ASKED.contains(&path) => Self::Ask,
            (_, "get") => Self::Read,
            _ => Self::Change,
        }
    }

    const fn asks_no_token(self) -> bool {
        matches!(self, Self::Open | Self::Link)
    }

    /// The refusals that are not the token's and not ours.
    fn refusals(self) -> &'static [u16] {
        match self {
            Self::Open => &[],
            Self::Link => &[404, 410],
            Self::Lane | Self::File => &[400, 404],
            Self::Report => &[400, 413, 415],
            Self::Read => &[400],
            Self::Ask => &[400, 404, 413, 415, 422],
            Self::Import | Self::Change => &[400, 409, 412, 413, 415, 422],
        }
    }
}

fn parameters(path: &str, method: &str, kind: Kind, operation: &mut Value) {
    let named = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let mut references: Vec<&str> = named.collect();
    // Where a body says it, the query's is not looked at.
    if method == "delete" && operation.get("requestBody").is_none() {
        references.push("reason");
    }
    match kind {
        Kind::Open | Kind::Link | Kind::Ask | Kind::File | Kind::Report => {}
        Kind::Lane | Kind::Read => references.push("If-None-Match"),
        Kind::Import => references.extend(["Idempotency-Key", "If-Match"]),
        Kind::Change => {
            references.push("Idempotency-Key");
            // What is made does not exist yet, so that no tag of it can be known.
            if method != "post" || path.ends_with("/bulk") || path.contains("/{key}/") {
                references.push("If-Match");
            }
        }
    }
    if !matches!(kind, Kind::Open | Kind::Link | Kind::Lane | Kind::Report) {
        references.push("Keyward-On-Behalf-Of");
    }
    let shared = references.into_iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }));
    let mut all: Vec<Value> = shared.collect();
    if let Value::Array(own) = operation["parameters"].take() {
        all.extend(own);
    }
    if all.is_empty() {
        if let Some(operation) = operation.as_object_mut() {
            operation.remove("parameters");
        }
    } else {
        operation["parameters"] = json!(all);
    }
}

/// A body is required when a member of it is; RFC 7396's own type means the same in a PATCH.
fn body(method: &str, operation: &mut Value, schemas: &Map<String, Value>) {
    let Some(body) = operation.get_mut("requestBody") else { return };
    let json = body["content"]["application/json"].clone();
    if json.is_null() {
        return;
    }
    let name = json["schema"]["$ref"].as_str().and_then(|name| name.strip_prefix(SCHEMAS)).unwrap_or_default();
    let is_required = schemas.get(name).is_some_and(|schema| {
        schema.get("oneOf").is_some() || schema["required"].as_array().is_some_and(|members| !members.is_empty())
    });
    body["required"] = json!(is_required);
    if method == "patch" {
        body["content"]["application/merge-patch+json"] = json;
    }
}

fn responses(path: &str, method: &str, kind: Kind, operation: &mut Value) {
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        let is_gone = response["content"]["application/json"]["schema"]["$ref"] == format!("{SCHEMAS}Gone");
        let mut headers = vec!["X-Request-Id"];
        if matches!(kind, Kind::Lane | Kind::Read) || kind == Kind::Change && !is_gone {
            headers.push("ETag");
        }
        if status == "201" {
            headers.push("Location");
        }
        if matches!(kind, Kind::Change | Kind::Import) {
            headers.push("Idempotency-Replayed");
        }
        let own = response["headers"].take();
        response["headers"] = references("headers", &headers);
        if let (Some(all), Value::Object(own)) = (response["headers"].as_object_mut(), own) {
            all.extend(own);
        }
        if response["description"].as_str().is_none_or(str::is_empty) {
            response["description"] = json!(match (status.as_str(), method) {
                ("201", _) => "Made.",
                (_, "get") => "As it is.",
                (_, _) if kind == Kind::Ask => "The answer.",
                _ => "Done.",
            });
        }
    }
    if matches!(kind, Kind::Lane | Kind::Read) {
        let headers = references("headers", &["X-Request-Id", "ETag"]);
        responses.insert("304".to_owned(), json!({ "description": "It is what the client has.", "headers": headers }));
    }
    let token: &[u16] = if kind.asks_no_token() { &[] } else { &[401, 403] };
    let path_names: &[u16] = if path.contains('{') || path.starts_with(AUDIT) { &[404] } else { &[] };
    for status in kind.refusals().iter().chain(token).chain(path_names).chain(&[500, 503, 504]) {
        let refusal = json!({ "$ref": format!("#/components/responses/{status}") });
        responses.entry(status.to_string()).or_insert(refusal);
    }
}

fn references(kind: &str, names: &[&str]) -> Value {
    let of = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/{kind}/{name}") }));
    Value::Object(names.iter().map(of).collect())
}
