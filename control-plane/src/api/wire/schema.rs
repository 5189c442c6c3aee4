//! What the OpenAPI document says of values that stand in many shapes: texts, words, times, identifiers.
//!
//! A type here is only a name, which wire shapes give by `#[schema(value_type = schema::Name)]` where
//! the field's own type is a text or belongs to another crate. Each is as strict as the domain that
//! judges the value, as far as JSON Schema can say it. Must never judge a value itself.

mod bodies;

use std::borrow::Cow;

use keyward_shared::api_key::{MAX_KEY_BYTES, MAX_PREFIX_BYTES};
use keyward_shared::policy::{MAX_APIS, MAX_RESTRICTION_BYTES, MAX_RESTRICTIONS};
use keyward_shared::report::MAX_REPORT_BYTES;
use keyward_shared::settings::{MAX_METHODS, MAX_PATH_BYTES, MAX_ROUTES, MAX_TOKEN_BYTES};
use serde_json::{Map, Value, json};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::audit::EventBody;
use super::bulk::BulkRequest;
use super::explain::Explain;
use super::import::ImportLine;
use super::keys::ExtendRotation;
use super::lookup::LookupKey;
use super::options::QrForm;
use crate::domain::api::Coverage;
use crate::domain::audit::export::Format;
use crate::domain::audit::{Action, Entity};
use crate::domain::key::query::KeySort;
use crate::domain::key::{Environment, KeyStatus};
use crate::domain::limits::{
    API_NAME_MAX_CHARS, BULK_KEYS, EMAIL_CHARS, EXTERNAL_ID_CHARS, GRACE_SECONDS, MAX_KEYS, METADATA_BYTES,
    METADATA_DEPTH, METHOD_CHARS, NAME_CHARS, PAGE_MAX, REALM_CHARS, REASON_CHARS, ROTATE_EVERY_DAYS, SLUG_MAX_CHARS,
    SLUG_MIN_CHARS, TEAMS_OF_MEMBER,
};
use crate::domain::member::{MemberKind, Role};
use crate::domain::scope::Scope;
use crate::domain::time::{UnixDay, UnixMillis, UnixSeconds};
use crate::domain::workspace::{Reveal, WorkspaceStatus};

/// Not blank, and without control characters.
const PLAIN: &str = concat!(
    r"^[^\u0000-\u001f\u007f-\u009f]*",
    r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]",
    r"[^\u0000-\u001f\u007f-\u009f]*$"
);
/// Lower-case letters, digits and hyphens, the first one no hyphen.
const DASHED: &str = "^[a-z0-9][a-z0-9-]*$";
/// Whole segments of a URL's path, none of them `.` or `..`, nothing percent-encoded.
const PATH: &str = r"^/(SEGMENT(/SEGMENT)*)?$";
const SEGMENT: &str = r"(\.*[!$&-\-0-:=@-\[\]_a-z~][!$&-.0-:=@-\[\]_a-z~]*|\.{3,})";
/// Eleven base62 digits, up to those of the highest number of 64 bits, which are `LygHa16AHYF`; `~` is any.
const DIGITS_OF_64_BITS: &str = "[0-9A-K]~{10}|L[0-9A-Za-x]~{9}|Ly[0-9A-Za-f]~{8}|Lyg[0-9A-G]~{7}|LygH[0-9A-Z]~{6}\
    |LygHa0~{5}|LygHa1[0-5]~{4}|LygHa16[0-9]~{3}|LygHa16A[0-9A-G]~{2}|LygHa16AH[0-9A-X]~|LygHa16AHY[0-9A-F]";
/// 64 hexadecimal digits, or base64 of 32 bytes in either alphabet, padded or not.
const DIGEST: &str = "^([0-9A-Fa-f]{64}|([A-Za-z0-9+/]{42}|[A-Za-z0-9_-]{42})[AEIMQUYcgkosw048]=?)$";
/// SHA-1 or SHA-256 in hexadecimal, each two digits divided by a colon or none.
const CERTIFICATE: &str = "^([0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){19}|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}\
    |[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$";
/// What follows the host in a pattern for referrers.
const PORT_AND_PATH: &str = concat!(
    r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?",
    r#"(/[!"$-)+->@-\[\]-~]*)?$"#
);
const HOST: &str = r"^(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*";
const ADDRESS: &str = r"^\[[0-9a-f:.]+\]";

/// Declares names, and what each stands for.
macro_rules! named {
    ($($name:ident = $schema:expr;)+) => {
        $(
            #[doc = concat!("The schema `", stringify!($name), "`.")]
            pub enum $name {}
            schema_of!($name, stringify!($name));
        )+

        fn names() -> Vec<(&'static str, Value)> {
            vec![$((stringify!($name), $schema),)+]
        }
    };
}

/// Gives types that are declared elsewhere a name, and says what it stands for.
macro_rules! words {
    ($($ty:ty as $name:literal = $schema:expr;)+) => {
        $(schema_of!($ty, $name);)+

        fn words() -> Vec<(&'static str, Value)> {
            vec![$(($name, $schema),)+]
        }
    };
}

/// The schema itself comes from [`all`], which can say more than the library's types.
macro_rules! schema_of {
    ($ty:ty, $name:expr) => {
        impl PartialSchema for $ty {
            fn schema() -> RefOr<Schema> {
                Ref::from_schema_name($name).into()
            }
        }

        impl ToSchema for $ty {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    };
}

/// Every name and what it stands for.
pub fn all() -> Vec<(&'static str, Value)> {
    let mut all = names();
    all.extend(words());
    all
}

named! {
    WorkspaceId = id("ws", "The identifier of a workspace.");
    MemberId = id("mem", "The identifier of a member.");
    TeamId = id("team", "The identifier of a team.");
    KeyId = id("key", "The identifier of a key, the same for all of its secrets.");
    TokenId = id("tok", "The identifier of a token.");
    Name = text(1, NAME_CHARS, PLAIN, "A name or title for people: not blank, no control characters.");
    ExternalId = text(1, EXTERNAL_ID_CHARS, PLAIN, "What another system calls it.");
    Reason = text(1, REASON_CHARS, PLAIN, "Why, for the audit log.");
    Email = text(3, EMAIL_CHARS, r"^[!-?A-~]+@[!-?A-~]+$", "An address for mail.");
    Slug = text(SLUG_MIN_CHARS, SLUG_MAX_CHARS, DASHED, "A short name, for credentials and URLs.");
    ApiName = text(1, API_NAME_MAX_CHARS, DASHED, "The name of an API of the catalogue.");
    Access = words_of(&["read-only", "read-write"], "Safe methods only, or every method.");
    RouteAccess = words_of(
        &["by_method", "read", "write", "public"],
        "What a route asks of a key: `by_method` lets safe methods read and the others write; `public` asks no key.");
    CheckDigits = words_of(&["enforce", "off"], "What becomes of a key with wrong check digits.");
    BasicUser = words_of(&["match", "any"], "What the user of a Basic credential may be.");
    Scopes = json!({
        "type": "array",
        "items": { "enum": Scope::ALL.map(Scope::as_str) },
        "description": "What a token is narrowed to; none narrow nothing, repetition means nothing.",
    });
    Apis = json!({
        "description": "Names of APIs of the catalogue, or `*` alone, which stands for all of them.",
        "oneOf": [
            { "type": "array", "items": { "const": "*" }, "minItems": 1, "maxItems": 1 },
            {
                "type": "array", "items": { "$ref": "#/components/schemas/ApiName" },
                "minItems": 1, "maxItems": MAX_APIS, "uniqueItems": true,
            },
        ],
    });
    GrantedApis = json!({
        "type": "array",
        "items": { "type": "string" },
        "description": "Names of APIs, or `*` alone. An API that was deleted is left out.",
    });
    RotateEveryDays = integer(1, u64::from(ROTATE_EVERY_DAYS), "After how many days a rotation is due.");
    GraceSeconds = integer(0, u64::from(GRACE_SECONDS), "For how long the old secret stays; 0 ends it at once.");
    MaxKeys = integer(0, u64::from(MAX_KEYS), "The most keys that a workspace may have.");
    PageLimit = integer(1, u64::from(PAGE_MAX), "How many entries.");
    Cursor = json!({ "type": "string", "minLength": 1, "description": "`next_cursor` of the page before." });
    KeyOrder = words_of(&KeySort::WORDS, "By what the list is sorted; with a hyphen, from the highest down.");
    Instant = json!({ "type": "string", "format": "date-time", "description": "A time (RFC 3339) with any offset." });
    Day = json!({ "type": "string", "format": "date", "description": "A day by UTC (RFC 3339)." });
    RefusedBy = words_of(&["key", "address"], "By what refusals are summed: key and reason, or client address.");
    Deadline = json!({
        "type": "string", "format": "date-time",
        "description": "A time (RFC 3339) that is ahead and before February 2106, rounded down to the second.",
    });
    Digest = json!({
        "type": "string", "pattern": DIGEST,
        "description": "A SHA-256, as 64 hexadecimal digits or as base64 in either alphabet, padded or not.",
    });
    Secret = json!({
        "type": "string", "minLength": 16, "maxLength": MAX_KEY_BYTES, "pattern": "^[!-9;-~]+$",
        "description": "A key as clients send it: printable ASCII without space and colon.",
    });
    Metadata = json!({
        "type": "object",
        "additionalProperties": true,
        "description": format!(
            "Whatever a client keeps with it: at most {METADATA_BYTES} bytes of compact JSON and {METADATA_DEPTH} \
             levels, integers up to 2^53-1 either way."
        ),
    });
    IpRange = json!({ "type": "string", "format": "cidr", "description": "An IP address, or a range in CIDR notation." });
    Referrer = json!({
        "type": "string", "maxLength": MAX_RESTRICTION_BYTES,
        "anyOf": [
            { "pattern": format!("{HOST}{PORT_AND_PATH}") },
            { "pattern": format!("{ADDRESS}{PORT_AND_PATH}") },
        ],
        "description": "A pattern `[*.]host[:port][/path]`, the host in lower case.",
    });
    App = json!({
        "description": "A client app. Its word alone: a guard against mistakes, not against attackers.",
        "oneOf": [
            {
                "type": "object", "additionalProperties": false, "required": ["platform", "package", "certificate"],
                "properties": {
                    "platform": { "const": "android" },
                    "package": app_name("The package."),
                    "certificate": {
                        "type": "string", "pattern": CERTIFICATE,
                        "description": "SHA-1 or SHA-256 of the certificate it is signed with, in hexadecimal.",
                    },
                },
            },
            {
                "type": "object", "additionalProperties": false, "required": ["platform", "bundle"],
                "properties": { "platform": { "const": "ios" }, "bundle": app_name("The bundle identifier.") },
            },
        ],
    });
    IpRanges = list("IpRange", MAX_RESTRICTIONS, "Addresses that a request may come from; none do not restrict.");
    Referrers = list("Referrer", MAX_RESTRICTIONS, "What `Referer` or `Origin` may say; none do not restrict.");
    Apps = list("App", MAX_RESTRICTIONS, "The apps that a request may come from; none do not restrict.");
    PathPrefix = path(PATH, "The segments that a path must begin with.");
    PingPath = path(r"^(?!/\.keyward(/|$))/(SEGMENT(/SEGMENT)*)?$", "The path that answers pong.");
    Methods = json!({
        "type": "array", "maxItems": MAX_METHODS, "uniqueItems": true,
        "items": { "type": "string", "minLength": 1, "maxLength": METHOD_CHARS, "pattern": "^[A-Z-]+$" },
        "description": "The methods it is for; none stand for all.",
    });
    Routes = list("PutRoute", MAX_ROUTES, "The paths that belong to it.");
    KeyPrefix = json!({
        "type": "string", "minLength": 1, "maxLength": MAX_PREFIX_BYTES,
        "pattern": "^(?!.*_test$)[A-Za-z](_?[A-Za-z0-9])*$",
        "description": "The prefix of generated keys.",
    });
    Realm = text(1, REALM_CHARS, r"^[ !#-\[\]-~]+$", "The realm of the challenge.");
    TeamIds = list("TeamId", TEAMS_OF_MEMBER, "The teams of a member.");
    KeyFate = words_of(&["deleted", "kept"], "What becomes of a key.");
    Reassign = json!({
        "type": "object", "maxProperties": BULK_KEYS,
        "propertyNames": { "$ref": "#/components/schemas/KeyId" },
        "additionalProperties": { "$ref": "#/components/schemas/MemberId" },
        "description": "Keys, and the members that they go to first.",
    });
    MemberChange = json!({
        "description": "The member as it is now; with `dry_run`, what would become of the keys.",
        "anyOf": [{ "$ref": "#/components/schemas/Changed_Member" }, { "$ref": "#/components/schemas/MemberPlan" }],
    });
    MemberRemoval = json!({
        "description": "The generation; with `dry_run`, what would become of the keys.",
        "anyOf": [{ "$ref": "#/components/schemas/Gone" }, { "$ref": "#/components/schemas/MemberPlan" }],
    });
    CreatedToken = json!({
        "type": "object", "required": ["token", "secret", "generation"],
        "properties": {
            "token": { "$ref": "#/components/schemas/Token" },
            "secret": { "type": "string", "description": "The token's text, shown once." },
            "generation": { "type": "integer", "minimum": 0 },
        },
        "description": "No cache keeps it.",
    });
    BulkAnswer = json!({
        "type": "object", "required": ["action", "matched", "changed", "more", "next_cursor", "keys"],
        "properties": {
            "action": { "enum": ["disable", "enable", "delete"] },
            "matched": { "type": "integer", "minimum": 0, "description": "How many keys there are of those asked for." },
            "changed": { "type": "integer", "minimum": 0 },
            "more": { "type": "boolean", "description": "Whether the filter has further keys." },
            "next_cursor": { "type": ["string", "null"], "description": "Where they begin." },
            "keys": { "type": "array", "items": {
                "type": "object", "required": ["id", "name", "outcome"],
                "properties": {
                    "id": { "$ref": "#/components/schemas/KeyId" },
                    "name": { "type": ["string", "null"] },
                    "outcome": { "enum": ["changed", "unchanged", "refused"] },
                    "code": { "type": "string", "description": "As a request for this key alone would be refused." },
                },
            } },
            "generation": { "type": "integer", "minimum": 0, "description": "Where it was done." },
            "usage_known_until": {
                "oneOf": [{ "$ref": "#/components/schemas/Instant" }, { "type": "null" }],
                "description": "In a dry run.",
            },
            "usage_complete": {
                "type": ["boolean", "null"],
                "description": "In a dry run by `last_used_before`: whether every call since then is known of.",
            },
            "etag": { "type": "string", "description": "In a dry run: as `If-Match`, it is done as shown or not at all." },
        },
    });
    ImportLines = json!({
        "type": "string", "contentMediaType": "application/x-ndjson",
        "contentSchema": { "$ref": "#/components/schemas/ImportLine" },
        "description": "A key a line.",
    });
    ImportResults = json!({
        "type": "string", "contentMediaType": "application/x-ndjson",
        "contentSchema": { "$ref": "#/components/schemas/ResultLine" },
        "description": "A result a line, as many as came.",
    });
    Report = json!({
        "type": "string", "contentMediaType": "application/octet-stream", "maxLength": MAX_REPORT_BYTES,
        "description": "What an edge of this release reports, in a form of its own.",
    });
    ImportStatus = words_of(&["active", "disabled"], "Whether the key is stopped.");
    ImportOutcome = words_of(&["created", "updated", "unchanged", "refused"], "What became of a line.");
    AnyKey = json!({
        "description": "A key; of one that was deleted, what is left.",
        "anyOf": [
            { "$ref": "#/components/schemas/Key" },
            {
                "type": "object", "required": ["id", "workspace_id", "name"],
                "properties": {
                    "id": { "$ref": "#/components/schemas/KeyId" },
                    "workspace_id": { "$ref": "#/components/schemas/WorkspaceId" },
                    "name": { "type": "string" },
                },
            },
        ],
    });
    SecretSlot = words_of(&["current", "retiring", "ended"], "Which of a key's secrets it is.");
    FoundStatus = words_of(&["active", "disabled", "expired", "archived", "deleted"], "How the key is now.");
    Verdict = words_of(&["allow", "deny"], "What an edge would do.");
    RevealedKey = with_secret(&json!({ "type": "string" }), json!({}));
    Document = json!({ "type": "object", "description": "An OpenAPI document." });
    Note = json!({ "type": "string", "description": "A checkpoint as a signed note (C2SP tlog-checkpoint)." });
    TreeHash = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$", "description": "A hash of the audit log's tree." });
    AuditProof = bodies::proof();
    Health = json!({
        "type": "object", "required": ["status"], "properties": { "status": { "enum": ["ok", "ready"] } },
        "description": "That it is well.",
    });
    CreatedKey = with_secret(
        &json!({ "type": ["string", "null"], "description": "Shown once; `null` where a digest was brought." }),
        json!({}));
    RotatedKey = with_secret(
        &json!({ "type": "string", "description": "The new secret, shown once." }),
        json!({ "previous_valid_until": {
            "description": "Until when the old secret is accepted; `null` when it ended at once.",
            "oneOf": [{ "$ref": "#/components/schemas/Instant" }, { "type": "null" }],
        } }));
    AcceptedForms = json!({
        "type": "array", "minItems": 1, "maxItems": 3, "uniqueItems": true,
        "items": { "type": "string", "pattern": format!("^(basic|bearer|header:[A-Za-z0-9-]{{1,{MAX_TOKEN_BYTES}}})$") },
        "description": "All forms in which a key may be presented. One header at most, none that HTTP gives a meaning.",
    });
}

schema_of!(UnixDay, "Day");
schema_of!(UnixMillis, "Instant");
schema_of!(UnixSeconds, "Instant");

words! {
    BulkRequest as "BulkRequest" = bodies::bulk();
    EventBody<'_> as "AuditEvent" = bodies::event();
    LookupKey as "LookupKey" = bodies::lookup();
    Explain as "Explain" = bodies::explain();
    ImportLine as "ImportLine" = bodies::import_line();
    ExtendRotation as "ExtendRotation" = extend_rotation();
    QrForm as "QrForm" = words_of(&["svg"], "The form of a QR code.");
    Action as "AuditAction" = words_of(&Action::ALL.map(Action::as_str), "What was done.");
    Entity as "AuditEntity" = words_of(&Entity::ALL.map(Entity::as_str), "What kind of thing it was done to.");
    Format as "AuditFormat" = words_of(&Format::ALL.map(Format::as_str), "How an export is written.");
    Role as "Role" = words_of(&Role::ALL.map(Role::as_str), "What a member may do.");
    MemberKind as "MemberKind" = words_of(&["person", "machine"], "What kind of member it is.");
    KeyStatus as "KeyStatus" = words_of(
        &["active", "disabled", "expired", "archived"], "What somebody did goes before what time did.");
    Environment as "Environment" = words_of(&["live", "test"], "What a key is for.");
    Coverage as "Coverage" = words_of(&["full", "partial"], "Whether every API of the catalogue is granted.");
    Reveal as "Reveal" = words_of(&["once", "sealed"], "Whether secrets are shown once, or kept sealed.");
    WorkspaceStatus as "WorkspaceStatus" = words_of(&["active", "suspended"], "Whether its keys are accepted.");
}

/// A key with its secret and further members, all but the QR code always there.
fn with_secret(secret: &Value, further: Value) -> Value {
    let mut properties = json!({
        "key": { "$ref": "#/components/schemas/Key" },
        "secret": secret,
        "generation": { "type": "integer", "minimum": 0, "description": "The first that carries it." },
    });
    if let (Some(properties), Value::Object(further)) = (properties.as_object_mut(), further) {
        properties.extend(further);
    }
    let required: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    properties["qr_svg"] = json!({ "type": ["string", "null"], "description": "With `qr`: the secret as a QR code." });
    json!({
        "type": "object", "required": required, "properties": properties,
        "description": "The only kind of answer that holds a key's secret; no cache keeps it.",
    })
}

/// One of two members; the other one may be `null`.
fn extend_rotation() -> Value {
    let of = |given: &str, schema: Value, other: &str| {
        json!({
            "type": "object", "additionalProperties": false, "required": [given],
            "properties": {
                given: schema,
                other: { "type": "null" },
                "reason": { "oneOf": [{ "$ref": "#/components/schemas/Reason" }, { "type": "null" }] },
            },
        })
    };
    let deadline = json!({ "$ref": "#/components/schemas/Deadline" });
    let grace = integer(1, u64::from(GRACE_SECONDS), "The new deadline, in seconds from now.");
    json!({
        "description": format!("The new deadline of the old secret, at most {GRACE_SECONDS} seconds ahead."),
        "oneOf": [of("previous_valid_until", deadline, "grace_seconds"), of("grace_seconds", grace, "previous_valid_until")],
    })
}

fn id(prefix: &str, description: &str) -> Value {
    let pattern = format!("^{prefix}_({})$", DIGITS_OF_64_BITS.replace('~', "[0-9A-Za-z]"));
    json!({ "type": "string", "pattern": pattern, "description": description })
}

fn text(least: usize, most: usize, pattern: &str, description: &str) -> Value {
    json!({
        "type": "string", "minLength": least, "maxLength": most, "pattern": pattern, "description": description,
    })
}

fn words_of(words: &[&str], description: &str) -> Value {
    json!({ "type": "string", "enum": words, "description": description })
}

fn integer(least: u64, most: u64, description: &str) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most, "description": description })
}

fn list(of: &str, most: usize, description: &str) -> Value {
    let items = json!({ "$ref": format!("#/components/schemas/{of}") });
    json!({
        "type": "array", "items": items, "maxItems": most, "uniqueItems": true, "description": description,
    })
}

fn path(pattern: &str, description: &str) -> Value {
    text(1, MAX_PATH_BYTES, &pattern.replace("SEGMENT", SEGMENT), description)
}

fn app_name(description: &str) -> Value {
    text(1, MAX_RESTRICTION_BYTES, "^[A-Za-z0-9._-]+$", description)
}
