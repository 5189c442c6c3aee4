//! Every limit of what may be stored, in one place.
//!
//! Limits of the wire formats live with them in `keyward_shared`; those that a tenant can run into
//! are named again in [`TABLE`], which the documentation is held to.

use keyward_shared::{policy, settings};

/// Characters in a name or title.
pub const NAME_CHARS: usize = 100;
/// Characters in a slug, least.
pub const SLUG_MIN_CHARS: usize = 2;
/// Characters in a slug, most: a DNS label (RFC 1035, section 2.3.4).
pub const SLUG_MAX_CHARS: usize = 63;
/// Characters in the name of an API, most.
pub const API_NAME_MAX_CHARS: usize = 63;
/// Characters in an external id.
pub const EXTERNAL_ID_CHARS: usize = 255;
/// Characters in a member's address: what an SMTP path leaves of 256 octets (RFC 5321, section 4.5.3.1.3).
pub const EMAIL_CHARS: usize = 254;
/// Teams that a member may be in.
pub const TEAMS_OF_MEMBER: usize = 100;
/// Tokens of a member that can be used.
pub const TOKENS_OF_MEMBER: u16 = 50;
/// Characters in the reason of a mutation.
pub const REASON_CHARS: usize = 500;
/// Bytes of metadata as compact JSON.
pub const METADATA_BYTES: usize = 4096;
/// Levels of nesting in metadata.
pub const METADATA_DEPTH: usize = 16;
/// Seconds of grace in a rotation, most: 30 days.
pub const GRACE_SECONDS: u32 = 2_592_000;
/// Seconds before the end of a rotation in which it can no longer be cancelled.
pub const CANCEL_SECONDS: u32 = 120;
/// Days between rotations, most: ten years.
pub const ROTATE_EVERY_DAYS: u16 = 3_650;
/// Keys that a workspace's `max_keys` may allow, most.
pub const MAX_KEYS: u32 = 10_000_000;
/// Archived keys of a workspace that its list shows.
pub const ARCHIVED_LISTED: u16 = 10;
/// Entries of one page, most.
pub const PAGE_MAX: u16 = 200;
/// Entries of one page when the request names none.
pub const PAGE_DEFAULT: u16 = 50;
/// Keys that one bulk change may name, and that a change of a member may give to others.
pub const BULK_KEYS: u16 = 1_000;
/// Lines of an import that are one transaction, most.
pub const IMPORT_BATCH_LINES: u16 = 1_000;
/// Bytes below which a secret that is brought is warned of: 22 base62 digits are 131 bits.
pub const SHORT_SECRET_BYTES: usize = 22;
/// Bytes of each text of a request that is to be explained.
pub const EXPLAINED_BYTES: usize = 8 * 1024;
/// Events that an explanation tells of.
pub const EXPLAINED_EVENTS: u16 = 10;
/// APIs in the catalogue.
pub const APIS: usize = 256;
/// Characters in one method name of a route.
pub const METHOD_CHARS: usize = 16;
/// Characters in the realm of the challenge.
pub const REALM_CHARS: usize = 64;
/// Bytes of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// Hours for which the answer of an idempotent call is kept.
pub const IDEMPOTENCY_HOURS: u32 = 24;
/// Bytes of an answer that is kept for an idempotent call.
pub const IDEMPOTENT_ANSWER_BYTES: usize = 1 << 20;

/// Exports of the audit log that are on their way by mail, or wait to be fetched, at a time, of those that were
/// asked for by somebody who sees all of it.
pub const MAILED_EXPORTS: u64 = 20;
/// Those of one workspace.
pub const MAILED_EXPORTS_OF_WORKSPACE: u64 = 3;
/// Those of all workspaces.
pub const MAILED_EXPORTS_OF_WORKSPACES: u64 = 60;
/// Exports that one workspace has mailed within a day.
pub const MAILED_EXPORTS_OF_WORKSPACE_A_DAY: u64 = 20;
/// Bytes of the files of exports that wait; half of it for those of workspaces, half for the others.
pub const MAILED_EXPORTS_BYTES: u64 = 8 << 30;
/// Bytes of those of one workspace.
pub const MAILED_EXPORTS_BYTES_OF_WORKSPACE: u64 = MAILED_EXPORTS_BYTES / 16;

/// Exports of the audit log that one caller has streamed at a time, and that are fetched by one link.
pub const EXPORTS_OF_CALLER: u64 = 3;
/// Those of either kind that begin within a minute.
pub const EXPORTS_BEGUN_A_MINUTE: u64 = 30;

/// Teams that a filter of the audit log names, of either kind.
pub const TEAMS_ASKED_FOR: usize = 20;
/// Places of the log at which words begin as those of a filter do of which only the beginning is given: all of them
/// are gone through first.
pub const PLACES_OF_BEGINNINGS: u32 = 100_000;
/// Characters of an identifier that a filter of the audit log names; none that an event has is longer.
pub const ASKED_FOR_CHARACTERS: usize = 64;

/// Name, value and unit of every limit above and of those of the wire that a tenant meets.
pub const TABLE: &[(&str, u64, &str)] = &[
    ("name, title", NAME_CHARS as u64, "characters"),
    ("slug, least", SLUG_MIN_CHARS as u64, "characters"),
    ("slug, most", SLUG_MAX_CHARS as u64, "characters"),
    ("API name", API_NAME_MAX_CHARS as u64, "characters"),
    ("external_id", EXTERNAL_ID_CHARS as u64, "characters"),
    ("email", EMAIL_CHARS as u64, "characters"),
    ("teams of a member", TEAMS_OF_MEMBER as u64, "teams"),
    ("tokens of a member that can be used", TOKENS_OF_MEMBER as u64, "tokens"),
    ("reason", REASON_CHARS as u64, "characters"),
    ("metadata", METADATA_BYTES as u64, "bytes of compact JSON"),
    ("metadata nesting", METADATA_DEPTH as u64, "levels"),
    ("grace_seconds", GRACE_SECONDS as u64, "seconds"),
    ("no cancelling before the end of a rotation", CANCEL_SECONDS as u64, "seconds"),
    ("rotate_every_days", ROTATE_EVERY_DAYS as u64, "days"),
    ("max_keys", MAX_KEYS as u64, "keys"),
    ("archived keys listed", ARCHIVED_LISTED as u64, "keys"),
    ("limit of a page", PAGE_MAX as u64, "entries"),
    ("limit of a page, default", PAGE_DEFAULT as u64, "entries"),
    ("keys of a bulk change, of `reassign`", BULK_KEYS as u64, "keys"),
    ("lines of an import in one transaction", IMPORT_BATCH_LINES as u64, "lines"),
    ("a secret that is brought, without a warning, least", SHORT_SECRET_BYTES as u64, "bytes"),
    ("path, authorization, key_header, referrer of a request to be explained", EXPLAINED_BYTES as u64, "bytes"),
    ("changes that an explanation tells of, of the key and of its workspace each", EXPLAINED_EVENTS as u64, "events"),
    ("exports of the audit log on their way by mail, or to be fetched, of operators", MAILED_EXPORTS, "exports"),
    ("such exports of one workspace", MAILED_EXPORTS_OF_WORKSPACE, "exports"),
    ("such exports of all workspaces", MAILED_EXPORTS_OF_WORKSPACES, "exports"),
    ("exports that one workspace has mailed within 24 hours", MAILED_EXPORTS_OF_WORKSPACE_A_DAY, "exports"),
    ("files of exports that wait; half of it for those of workspaces", MAILED_EXPORTS_BYTES, "bytes"),
    ("such files of one workspace", MAILED_EXPORTS_BYTES_OF_WORKSPACE, "bytes"),
    (
        "exports of the audit log that one caller has streamed, or are fetched by one link, at a time",
        EXPORTS_OF_CALLER,
        "exports",
    ),
    ("such exports that begin within a minute", EXPORTS_BEGUN_A_MINUTE, "exports"),
    ("team, actor_team of a filter of the audit log, each", TEAMS_ASKED_FOR as u64, "teams"),
    ("words of the audit log that begin as those of `q` with a `*`", PLACES_OF_BEGINNINGS as u64, "places"),
    ("actor, target of a filter of the audit log", ASKED_FOR_CHARACTERS as u64, "characters"),
    ("APIs in the catalogue", APIS as u64, "APIs"),
    ("APIs named by a key", policy::MAX_APIS as u64, "APIs"),
    ("routes over all APIs", settings::MAX_ROUTES as u64, "routes"),
    ("path_prefix, ping_path", settings::MAX_PATH_BYTES as u64, "bytes"),
    ("methods of a route", settings::MAX_METHODS as u64, "methods"),
    ("method", METHOD_CHARS as u64, "characters"),
    ("realm", REALM_CHARS as u64, "characters"),
    ("accepted header's name", settings::MAX_TOKEN_BYTES as u64, "bytes"),
    ("restrictions.ips, .referrers, .apps, each", policy::MAX_RESTRICTIONS as u64, "entries"),
    ("one referrer, app name or certificate", policy::MAX_RESTRICTION_BYTES as u64, "bytes"),
    ("access, APIs and restrictions of a key, encoded", policy::MAX_POLICY_BYTES as u64, "bytes"),
    ("Idempotency-Key", IDEMPOTENCY_KEY_BYTES as u64, "bytes"),
    ("an idempotent answer that is kept", IDEMPOTENT_ANSWER_BYTES as u64, "bytes"),
    ("an idempotent answer is kept", IDEMPOTENCY_HOURS as u64, "hours"),
];
