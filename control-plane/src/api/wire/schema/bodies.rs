//! Bodies that are one of several shapes, which no derived schema says.

use serde_json::{Map, Value, json};

use crate::domain::limits::{BULK_KEYS, EXPLAINED_BYTES, METHOD_CHARS};

/// Keys by name, or those that the list has under these filters.
pub(super) fn bulk() -> Value {
    let filter = json!({
        "type": "object", "additionalProperties": false, "minProperties": 1,
        "properties": {
            "status": nullable("KeyStatus"), "name": nullable("Name"), "member": nullable("MemberId"), "team": nullable("TeamId"),
            "access": nullable("Access"), "api": nullable("ApiName"), "environment": nullable("Environment"),
            "last_used_before": nullable("Instant"), "expires_before": nullable("Instant"),
            "rotation_due": { "type": ["boolean", "null"] }, "external_id": nullable("ExternalId"),
        },
        "description": "The filters of the list; one at least.",
    });
    let ids = json!({ "type": "array", "items": reference("KeyId"), "minItems": 1, "maxItems": BULK_KEYS, "uniqueItems": true });
    let shared = json!({
        "action": { "enum": ["disable", "enable", "delete"], "description": "What is done to each." },
        "dry_run": { "type": ["boolean", "null"], "description": "Only says what would be done." },
        "reason": nullable("Reason"),
    });
    one_of([
        object(&["ids", "action"], [shared.clone(), json!({ "ids": ids, "filter": absent(), "cursor": absent() })]),
        object(
            &["filter", "action"],
            [shared, json!({ "filter": filter, "ids": absent(), "cursor": nullable("Cursor") })],
        ),
    ])
}

/// A secret, of whatever form, or its digest.
pub(super) fn lookup() -> Value {
    one_of([
        object(&["secret"], [json!({ "secret": { "type": "string" }, "sha256": absent() })]),
        object(&["sha256"], [json!({ "sha256": reference("Digest"), "secret": absent() })]),
    ])
}

/// A request's identifier alone, or the request itself.
pub(super) fn explain() -> Value {
    let bounded = |description: &str| json!({ "type": ["string", "null"], "maxLength": EXPLAINED_BYTES, "description": description });
    let claimed = || json!({ "type": "string" });
    let app = json!({ "oneOf": [
        object(
            &["platform", "package", "certificate"],
            [json!({ "platform": { "const": "android" }, "package": claimed(), "certificate": claimed() })],
        ),
        object(&["platform", "bundle"], [json!({ "platform": { "const": "ios" }, "bundle": claimed() })]),
        absent(),
    ] });
    let asked = json!({
        "path": { "type": "string", "maxLength": EXPLAINED_BYTES },
        "method": { "type": ["string", "null"], "minLength": 1, "maxLength": METHOD_CHARS, "description": "`GET` when absent." },
        "authorization": bounded("The value of `Authorization`."),
        "key_header": bounded("The value of the header that the setting `accept` names."),
        "referrer": bounded("`Referer`, else `Origin`."),
        "preflight": { "type": ["boolean", "null"], "description": "Whether it came with `Access-Control-Request-Method`." },
        "ip": { "oneOf": [{ "type": "string", "format": "ipv4" }, { "type": "string", "format": "ipv6" }, absent()] },
        "app": app,
        "at": nullable("Instant"),
        "request_id": absent(),
    });
    let nothing = asked.as_object().into_iter().flat_map(Map::keys).map(|name| (name.clone(), absent()));
    let nothing = Value::Object(nothing.collect());
    one_of([
        object(&["request_id"], [nothing, json!({ "request_id": { "type": "string" } })]),
        object(&["path"], [asked]),
    ])
}

fn one_of<const N: usize>(schemas: [Value; N]) -> Value {
    json!({ "oneOf": Vec::from(schemas) })
}

/// An object with all of these members and no others.
fn object<const N: usize>(required: &[&str], members: [Value; N]) -> Value {
    let mut properties = Map::new();
    for members in members {
        if let Value::Object(members) = members {
            properties.extend(members);
        }
    }
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn nullable(schema: &str) -> Value {
    json!({ "oneOf": [reference(schema), absent()] })
}

fn absent() -> Value {
    json!({ "type": "null" })
}
