//! What operations refer to: parameters, headers, refusals.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::SCHEMAS;
use crate::api::problem::Code;
use crate::domain::invalid::Fault;
use crate::domain::limits::{IDEMPOTENCY_HOURS, IDEMPOTENCY_KEY_BYTES};
use crate::lifecycle::rights::ON_BEHALF_OF;

/// What a reader of the document has to know first.
pub(super) const INTRODUCTION: &str = "\
    The control plane of Keyward: keys, the people they belong to, and what edges are told of them.\n\n\
    Every call carries `Authorization: Bearer TOKEN`. Times are RFC 3339, identifiers are opaque. Lists are \
    `{\"items\":[…],\"next_cursor\":…}`. A change answers with `generation`, the first that carries it to the edges. \
    Refusals are problems (RFC 9457) with a stable `code`. What a token does not see is answered like what does \
    not exist.";

/// A refusal's body.
pub(super) fn problem() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    json!({
        "type": "object",
        "description": "A refusal (RFC 9457).",
        "required": ["type", "title", "status", "code", "request_id"],
        "properties": {
            "type": { "type": "string", "description": "`urn:keyward:problem:` and the code." },
            "title": { "type": "string", "description": "A summary that never changes from case to case." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What is wrong in this case." },
            "code": { "type": "string", "enum": codes, "description": "What programs compare." },
            "field": { "type": "string", "description": "The member, parameter or header that is wrong." },
            "fault": {
                "type": "string", "enum": Fault::ALL.map(Fault::code),
                "description": "In which way it is wrong.",
            },
            "request_id": { "type": "string", "description": "As in `X-Request-Id`." },
        },
    })
}

/// Every status that something is refused with, by its number.
pub(super) fn responses() -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, String> = BTreeMap::new();
    for code in Code::ALL {
        let words = by_status.entry(code.status().as_u16()).or_default();
        let divider = if words.is_empty() { "" } else { "\n\n" };
        let _ = write!(words, "{divider}`{}`: {}", code.as_str(), code.when());
    }
    let of = |(status, words): (u16, String)| {
        let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
        let further = match status {
            401 => Some("WWW-Authenticate"),
            503 => Some("Retry-After"),
            _ => None,
        };
        if let Some(name) = further {
            headers[name] = json!({ "$ref": format!("#/components/headers/{name}") });
        }
        let schema = json!({ "$ref": format!("{SCHEMAS}Problem") });
        let response = json!({
            "description": words, "headers": headers, "content": { "application/problem+json": { "schema": schema } },
        });
        (status.to_string(), response)
    };
    // The method of an operation is never the wrong one.
    by_status.into_iter().filter(|(status, _)| *status != 405).map(of).collect()
}

/// Headers of answers.
pub(super) fn headers() -> Value {
    let header = |required: bool, description: &str| json!({ "required": required, "description": description, "schema": { "type": "string" } });
    json!({
        "X-Request-Id": header(true, "Names the request in the log and in the audit log."),
        "ETag": header(false, "For `If-Match` and `If-None-Match`."),
        "Location": header(false, "The path of what was made."),
        "Idempotency-Replayed": header(false, "`true` when the call was answered before and nothing happened now."),
        "Preference-Applied": header(false, "`wait` when there are live edges and all have applied the change."),
        "WWW-Authenticate": header(true, "How to show a token."),
        "Retry-After": header(false, "Seconds until it is worth asking again."),
    })
}

/// Identifiers in paths, and headers of requests.
pub(super) fn parameters() -> Value {
    let path = |name: &str, schema: &str, description: &str| {
        json!({
            "name": name, "in": "path", "required": true, "description": description,
            "schema": { "$ref": format!("{SCHEMAS}{schema}") },
        })
    };
    let header = |name: &str, schema: Value, description: &str| json!({ "name": name, "in": "header", "schema": schema, "description": description });
    let idempotency_key = json!({ "type": "string", "pattern": "^[!-~]+$", "maxLength": IDEMPOTENCY_KEY_BYTES });
    let tags = json!({ "type": "string", "pattern": "^(\\*|(W/)?\"[^\",]*\"(, ?(W/)?\"[^\",]*\")*)$" });
    let words = format!(
        "Makes a repetition safe: the same call gets the same answer and happens once, for {IDEMPOTENCY_HOURS} hours."
    );
    let on_behalf = "A member, whose rights the call then has; the audit log names both. For operators' tokens only.";
    json!({
        "ws": path("ws", "WorkspaceId", "The workspace."),
        "key": path("key", "KeyId", "The key."),
        "member": path("member", "MemberId", "The member."),
        "team": path("team", "TeamId", "The team."),
        "token": path("token", "TokenId", "The token."),
        "api": path("api", "ApiName", "The API's name."),
        "name": {
            "name": "name", "in": "path", "required": true, "description": "The object's name.",
            "schema": { "type": "string", "pattern": "^[0-9A-Za-z_-]+$", "maxLength": 128 },
        },
        "id": {
            "name": "id", "in": "path", "required": true, "description": "The export.",
            "schema": { "type": "string", "pattern": "^[0-9a-f]{32}$" },
        },
        "secret": {
            "name": "secret", "in": "path", "required": true, "description": "What opens the link.",
            "schema": { "type": "string", "pattern": "^[0-9A-Za-z_-]+$", "maxLength": 128 },
        },
        "reason": {
            "name": "reason", "in": "query", "description": "Why, for the audit log.",
            "schema": { "$ref": format!("{SCHEMAS}Reason") },
        },
        "generation": {
            "name": "generation", "in": "path", "required": true, "description": "The generation.",
            "schema": { "type": "integer", "minimum": 0 },
        },
        "Prefer": header(
            "Prefer", json!({ "type": "string" }),
            "`wait=N` (RFC 7240) answers when every live edge has applied the change, or after N seconds, at most 29."),
        "Idempotency-Key": header("Idempotency-Key", idempotency_key, &words),
        "If-Match": header("If-Match", tags, "Refuses the change when the thing is no longer as this `ETag` says."),
        "If-None-Match": header(
            "If-None-Match", json!({ "type": "string" }), "Asks for an answer only when it is not what this `ETag` says."),
        "Keyward-On-Behalf-Of": header(
            ON_BEHALF_OF, json!({ "$ref": format!("{SCHEMAS}MemberId") }), on_behalf),
    })
}
