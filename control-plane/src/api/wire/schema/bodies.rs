//! Bodies that are one of several shapes, which no derived schema says.

use serde_json::{Map, Value, json};

use crate::domain::limits::{BULK_KEYS, EXPLAINED_BYTES, METHOD_CHARS};
use crate::domain::request_id::RequestId;

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

/// An event of the audit log.
pub(super) fn event() -> Value {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": ["string", "null"] });
    let number = json!({ "type": "integer", "minimum": 0 });
    let said = |mut schema: Value, description: &str| {
        schema["description"] = json!(description);
        schema
    };
    let actor = json!({
        "kind": { "enum": ["operator", "member", "system"] },
        "id": said(texts.clone(), "A token's or a member's."),
        "name": text, "ip": texts, "on_behalf_of": nullable("MemberId"),
    });
    let details = json!({
        "type": "object", "required": ["operation", "before", "after"],
        "properties": { "operation": text, "before": {}, "after": {} },
        "description": "The verb, what differed before and after, and what else there is to say of it.",
    });
    let members = json!({
        "seq": said(number.clone(), "Its number: 1 is the first."),
        "at": reference("Instant"),
        "actor": all_of("Who did it.", &actor),
        "action": reference("AuditAction"),
        "entity": reference("AuditEntity"),
        "target": all_of("What it was done to.", &json!({ "id": text, "name": text })),
        "workspace_id": nullable("WorkspaceId"),
        "team_id": nullable("TeamId"),
        "actor_team_ids": { "type": "array", "items": reference("TeamId") },
        "reason": texts,
        "details": details,
        "request_id": text,
        "generation": said(number, "The newest when it was written."),
        "hash": said(reference("TreeHash"), "That of the other members' canonical form (RFC 8785) as a leaf of the tree."),
    });
    all_of("An event of the audit log.", &members)
}

/// A proof about the audit log, of either kind.
pub(super) fn proof() -> Value {
    let size = json!({ "type": "integer", "minimum": 1 });
    let hash = reference("TreeHash");
    let tree = json!({
        "size": size, "root": hash, "proof": { "type": "array", "items": hash }, "checkpoint": nullable("Note"),
    });
    let of = |description: &str, own: Value| {
        let mut members = tree.clone();
        if let (Some(members), Value::Object(own)) = (members.as_object_mut(), own) {
            members.extend(own);
        }
        all_of(description, &members)
    };
    one_of([
        of("That an event is in the log.", json!({ "seq": size, "hash": hash })),
        of("That the log only grew.", json!({ "from_size": size, "from_root": hash })),
    ])
}

/// An object with all of these members.
fn all_of(description: &str, members: &Value) -> Value {
    let required: Vec<&String> = members.as_object().into_iter().flat_map(Map::keys).collect();
    json!({ "type": "object", "required": required, "properties": members, "description": description })
}

/// A secret, of whatever form, or its digest.
pub(super) fn lookup() -> Value {
    one_of([
        object(&["secret"], [json!({ "secret": { "type": "string" }, "sha256": absent() })]),
        object(&["sha256"], [json!({ "sha256": reference("Digest"), "secret": absent() })]),
    ])
}

/// A key with its secret or the secret's digest.
pub(super) fn import_line() -> Value {
    let said = |schema: &str, description: &str| {
        let mut said = reference(schema);
        said["description"] = json!(description);
        said
    };
    let cleared = |schema: &str, description: &str| {
        let mut said = nullable(schema);
        said["description"] = json!(description);
        said
    };
    let shared = json!({
        "external_id": said("ExternalId", "What the other system calls the key."),
        "workspace": { "type": "string", "description": "The workspace's id or slug." },
        "name": said("Name", "The name."),
        "access": said("Access", "Read-only or read-write."),
        "apis": said("Apis", "Names of APIs, or `*` alone."),
        "member": {
            "type": ["string", "null"],
            "description": "The member it belongs to: an id, or what the other system calls them.",
        },
        "status": cleared("ImportStatus", "Whether it is stopped."),
        "created_at": cleared("Instant", "When it was made."),
        "expires_at": cleared("Instant", "From when it is refused; may have passed."),
        "restrictions": cleared("RestrictionsInput", "From where it may be used; replaced as a whole."),
        "metadata": cleared("Metadata", "Whatever a client keeps with it; replaced as a whole."),
    });
    let line = |given: &str, secret: Value, other: &str| {
        let required = ["external_id", "workspace", "name", "access", "apis", given];
        object(&required, [shared.clone(), json!({ given: secret, other: absent() })])
    };
    let mut line = one_of([
        line("secret", said("Secret", "The secret in the clear."), "sha256"),
        line("sha256", said("Digest", "Its SHA-256, as 64 hexadecimal digits or base64."), "secret"),
    ]);
    line["description"] = json!(
        "A line of the request. What is absent stays where the key is there already; `null` clears what can be empty."
    );
    line
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
        "at": {
            "oneOf": [reference("Instant"), absent()],
            "description": "The time that deadlines are judged for, now when absent; all else is judged as it is now.",
        },
        "request_id": absent(),
    });
    let id = json!({
        "type": "string", "pattern": RequestId::PATTERN,
        "description": "What `X-Keyward-Request-Id` said in an edge's answer.",
    });
    let nothing = asked.as_object().into_iter().flat_map(Map::keys).map(|name| (name.clone(), absent()));
    let nothing = Value::Object(nothing.collect());
    one_of([object(&["request_id"], [nothing, json!({ "request_id": id })]), object(&["path"], [asked])])
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
