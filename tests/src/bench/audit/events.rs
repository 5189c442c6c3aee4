//! A million events, written as a version before the tree wrote them: what brings them into tree and search
//! is the product's own `keyward migrate`, which checks each one's hash.
//!
//! All of an event follows from its number. Must never know what is measured.

use std::path::Path;

use anyhow::{Context as _, Result};
use keyward_shared::id::{KeyId, MemberId, TeamId, WorkspaceId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::ConnectOptions as _;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

/// Events of one transaction.
const AT_ONCE: u64 = 10_000;
/// The first is of 2026-01-01T00:00:00Z, and one follows each half minute, but for so many in one busy hour.
const FIRST_MILLIS: u64 = 1_767_225_600_000;
const MILLIS_BETWEEN: u64 = 30_000;
const BUSY: core::ops::Range<u64> = 480_000..680_000;
const HOUR_MILLIS: u64 = 3_600_000;
const WORKSPACES: u64 = 100;
const KEYS: u64 = 100_000;
/// One event in so many is an export, and no other is.
const EXPORT_EVERY: u64 = 10_000;
/// The event that has a word of its own.
const WITH_RARE_WORD: u64 = 50_000;
pub(super) const RARE_WORD: &str = "moonshine";

const INSERT: &str = "INSERT INTO audit_event (seq, at, actor_kind, actor_id, actor_name, actor_ip, action, entity, \
     target_id, target_name, workspace_id, team_id, actor_team_ids, reason, details, request_id, generation, hash) \
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
     value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15, 1, \
     unhex(value ->> 16) FROM json_each(?1)";

pub(super) fn workspace(number: u64) -> WorkspaceId {
    WorkspaceId::from_u64((1 << 40) + number % WORKSPACES)
}

/// A team of three in that workspace.
pub(super) fn team(number: u64, nth: u64) -> TeamId {
    TeamId::from_u64((2 << 40) + number % WORKSPACES * 3 + nth % 3)
}

/// A member of five in that workspace.
pub(super) fn member(number: u64, nth: u64) -> MemberId {
    MemberId::from_u64((3 << 40) + number % WORKSPACES * 5 + nth % 5)
}

pub(super) fn key(number: u64) -> KeyId {
    KeyId::from_u64((4 << 40) + number % KEYS)
}

/// When an event was.
pub(super) fn at(seq: u64) -> Result<jiff::Timestamp> {
    let of_busy = seq.clamp(BUSY.start, BUSY.end) - BUSY.start;
    let millis = (seq - of_busy) * MILLIS_BETWEEN + of_busy * HOUR_MILLIS / (BUSY.end - BUSY.start);
    Ok(jiff::Timestamp::from_millisecond((FIRST_MILLIS + millis).cast_signed())?)
}

/// A second of the busy hour, or the one behind it.
pub(super) fn busy_second(nth: u64) -> Result<[jiff::Timestamp; 2]> {
    let begin = at(BUSY.start)? + jiff::SignedDuration::from_secs((nth % 3_600).cast_signed());
    Ok([begin, begin + jiff::SignedDuration::from_secs(1)])
}

/// Writes so many events behind those that there are.
pub(super) async fn fill(file: &Path, number: u64) -> Result<()> {
    let mut database = SqliteConnectOptions::new().filename(file).connect().await?;
    let first: i64 = sqlx::query_scalar("SELECT audit_seq + 1 FROM counter").fetch_one(&mut database).await?;
    let mut next = first.cast_unsigned();
    let end = next + number;
    while next < end {
        let until = end.min(next + AT_ONCE);
        write(&mut database, next, until).await.with_context(|| format!("events from {next}"))?;
        next = until;
    }
    Ok(database.close().await?)
}

async fn write(database: &mut SqliteConnection, from: u64, until: u64) -> Result<()> {
    let rows = (from..until).map(row).collect::<Result<Vec<_>>>()?;
    let mut transaction = database.begin().await?;
    sqlx::query(INSERT).bind(serde_json::to_string(&rows)?).execute(&mut *transaction).await?;
    let counter = sqlx::query("UPDATE counter SET audit_seq = ?1, generation = max(generation, 1) WHERE id = 1");
    counter.bind((until - 1).cast_signed()).execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// The event with this number, as the values of its row.
fn row(seq: u64) -> Result<Value> {
    // Neighbours are alike in nothing.
    let drawn = seq.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    let (action, entity, operation) = match drawn % 20 {
        _ if seq.is_multiple_of(EXPORT_EVERY) => ("Export", "Audit Log", "export"),
        0..=9 => ("Update", "API Keys", "edit"),
        10..=13 => ("Create", "API Keys", "create"),
        14 | 15 => ("Disable", "API Keys", "disable"),
        16 => ("Enable", "API Keys", "enable"),
        17 => ("Reveal", "API Keys", "reveal"),
        _ => ("Create", "Members", "create"),
    };
    let (workspace, team, member) = (workspace(seq), team(seq, drawn), member(seq, drawn / 3));
    let (actor, target) = (format!("Member {}", drawn % 500), format!("Key {}", seq % KEYS));
    let word = if seq == WITH_RARE_WORD { RARE_WORD } else { "ordinary" };
    let reason = drawn.is_multiple_of(7).then(|| format!("ticket {}", drawn % 10_000));
    let details = json!({
        "operation": operation,
        "before": { "name": target, "access": "read-only" },
        "after": {
            "name": format!("Service {} of {}", drawn % 1_000, word),
            "access": "read-write",
            "external_id": format!("cus_{seq}"),
        },
    });
    let (at, request) = (at(seq)?, format!("req_{seq:032x}"));
    let teams = json!([team]);
    // Texts of ASCII and whole numbers, with members in their order: the canonical form (RFC 8785).
    let document = json!({
        "seq": seq,
        "at": at.to_string(),
        "actor": { "kind": "member", "id": member, "name": actor, "ip": "192.0.2.1", "on_behalf_of": null },
        "action": action,
        "entity": entity,
        "target": { "id": key(seq), "name": target },
        "workspace_id": workspace,
        "team_id": team,
        "actor_team_ids": teams,
        "reason": reason,
        "details": details,
        "request_id": request,
        "generation": 1,
    });
    let hash = Sha256::digest(serde_json::to_string(&document)?);
    Ok(json!([
        seq,
        at.as_millisecond(),
        "member",
        member,
        actor,
        "192.0.2.1",
        action,
        entity,
        key(seq),
        target,
        workspace.as_u64(),
        team.as_u64(),
        teams.to_string(),
        reason,
        details.to_string(),
        request,
        hex::encode(hash),
    ]))
}
