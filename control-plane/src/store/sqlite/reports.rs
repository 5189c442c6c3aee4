//! Reports of edges, as they are taken: who reports, which heads it applied, and how secrets are used.
//!
//! A report is taken in parts, each a transaction of its own, so that no change waits for all of a long
//! one. How many parts were taken is written with each: a report that comes again goes on there.

use std::collections::BTreeMap;

use keyward_shared::decision::Refusal;
use keyward_shared::report::{Counter, RefusalKind, Report, State, Usage};
use serde::Serialize;
use sqlx::{FromRow, SqliteConnection};

use super::edges::{LANE_HTTP, LANE_KV};
use super::error::failed;
use super::writer::Writer;
use super::{json, refusals};
use crate::domain::time::UnixMillis;
use crate::store::StoreError;
use crate::store::edges::{Received, Taken};

const COMMITTED: &str = include_str!("sql/generation.sql");
const NEWEST: &str = include_str!("sql/edges/newest.sql");
const PUT: &str = include_str!("sql/edges/put.sql");
const APPLY: &str = include_str!("sql/edges/apply.sql");
const APPLIED_AT: &str = include_str!("sql/edges/applied_at.sql");
const BOUND_PUT: &str = include_str!("sql/edges/bound_put.sql");
const USAGE_PUT: &str = include_str!("sql/edges/usage_put.sql");
const KEY_USED: &str = include_str!("sql/edges/key_used.sql");
const PART_TAKEN: &str = include_str!("sql/edges/part_taken.sql");
const GAP_NOTE: &str = include_str!("sql/edges/gap_note.sql");

/// Secrets whose usage one transaction takes.
const SECRETS_AT_ONCE: usize = 512;

/// How long nobody may report, in milliseconds, before it is taken for a loss and not for a lack of calls.
const SILENCE_MS: i64 = 60 * 60 * 1000;

/// How much earlier than the one before a report may come, in milliseconds, before the clock was set back.
const SET_BACK_MS: i64 = 60_000;

/// In `edge.counters`: calls that were told of without their secrets, those that were allowed.
const UNNAMED_CALLS: &str = "unnamed_calls";
/// The same of those that were refused.
const UNNAMED_REFUSED: &str = "unnamed_refused";

/// What is known of an edge before its report is taken.
#[derive(FromRow)]
struct Before {
    id: i64,
    sequence: i64,
    parts: i64,
    digest: Vec<u8>,
    older_digest: Option<Vec<u8>>,
    counters: String,
}

impl Before {
    /// Whether another report than the one with this number and digest was taken under its number, or is taken for
    /// a later one: an edge sends the next when this one has arrived, so only a copy of it can come behind that.
    fn is_anothers(&self, sequence: i64, digest: &[u8; 32]) -> bool {
        match self.sequence - sequence {
            ..0 => false,
            0 => self.digest != digest,
            1 => self.older_digest.as_deref() != Some(digest),
            _ => true,
        }
    }
}

#[derive(Serialize)]
struct AppliedRow {
    generation: i64,
    at: i64,
}

#[derive(Serialize)]
struct UsageRow {
    /// The least and the greatest fingerprint that begin as the secret's does, in hexadecimal digits.
    from: String,
    to: String,
    calls: u32,
    refused: u32,
    last_used_at: Option<i64>,
    last_denied_at: Option<i64>,
    denied_since: Option<i64>,
}

/// Takes what was not yet taken of a report that came at `at`.
pub(super) async fn take(writer: &Writer, received: &Received, at: UnixMillis) -> Result<Taken, StoreError> {
    let Received { report, digest } = received;
    let parts = report.body.usage.len().div_ceil(SECRETS_AT_ONCE).max(1);
    let all = i64::try_from(parts).unwrap_or(i64::MAX);
    let mut taken = Taken::Repeated;
    loop {
        let mut transaction = writer.transaction().await?;
        let before = before(&mut transaction, report).await?;
        let sequence = i64::from(report.envelope.sequence);
        let (edge, part) = match before {
            // Somebody else reports as this edge: nothing of it counts any more, and nobody knows what it says.
            Some(before) if before.is_anothers(sequence, digest) => {
                note_gap(&mut transaction, at).await?;
                transaction.commit().await?;
                return Ok(taken);
            }
            Some(before) if before.sequence == sequence && (before.parts < all || report.envelope.held_up) => {
                if report.envelope.held_up {
                    // It came before, and its answer did not: the time in which nothing could be sent is since then.
                    note_gap(&mut transaction, at).await?;
                }
                if before.parts >= all {
                    transaction.commit().await?;
                    return Ok(taken);
                }
                (before.id, usize::try_from(before.parts).map_err(|_| StoreError::corrupt("edge.parts"))?)
            }
            Some(before) if before.sequence >= sequence => {
                transaction.roll_back().await?;
                return Ok(taken);
            }
            before => (begin(&mut transaction, report, digest, before, at).await?, 0),
        };
        if let Some(usage) = report.body.usage.chunks(SECRETS_AT_ONCE).nth(part) {
            take_usage(&mut transaction, report, usage, at).await?;
        }
        let is_last = part + 1 == parts;
        sqlx::query(PART_TAKEN)
            .bind(edge)
            .bind(i64::try_from(part + 1).unwrap_or(i64::MAX))
            .bind(is_last.then(|| by_now(report.body.until, at)))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await?;
        taken = Taken::New;
        if is_last {
            return Ok(taken);
        }
    }
}

/// Notes that calls may have gone uncounted until `at`.
async fn note_gap(conn: &mut SqliteConnection, at: UnixMillis) -> Result<(), StoreError> {
    sqlx::query(GAP_NOTE).bind(at.as_millis()).execute(conn).await.map(drop).map_err(failed)
}

async fn before(conn: &mut SqliteConnection, report: &Report) -> Result<Option<Before>, StoreError> {
    sqlx::query_as(NEWEST).bind(&report.envelope.instance[..]).fetch_optional(conn).await.map_err(failed)
}

/// Takes all of a report but the usage of secrets; says whose it is.
async fn begin(
    conn: &mut SqliteConnection,
    report: &Report,
    digest: &[u8],
    before: Option<Before>,
    at: UnixMillis,
) -> Result<i64, StoreError> {
    let (envelope, body) = (&report.envelope, &report.body);
    let mut counters: BTreeMap<String, u64> = match &before {
        Some(before) => json::read(&before.counters, "edge.counters")?,
        None => BTreeMap::new(),
    };
    for (counter, count) in &body.counters {
        let sum = counters.entry(counter.as_str().to_owned()).or_default();
        *sum = sum.saturating_add(u64::from(*count));
    }
    for (counter, count) in [(UNNAMED_CALLS, body.others.calls), (UNNAMED_REFUSED, body.others.refused)] {
        if count > 0 {
            let sum = counters.entry(counter.to_owned()).or_default();
            *sum = sum.saturating_add(count);
        }
    }
    let committed: i64 = sqlx::query_scalar(COMMITTED).fetch_one(&mut *conn).await.map_err(failed)?;
    let gap_at = is_behind_gap(report, before.as_ref(), committed).then(|| at.as_millis());
    let peppers: Vec<String> = body.peppers.iter().map(ToString::to_string).collect();
    let lanes = (i64::from(body.lanes.kv) * LANE_KV) | (i64::from(body.lanes.http) * LANE_HTTP);
    let edge: i64 = sqlx::query_scalar(PUT)
        .bind(&envelope.instance[..])
        .bind(&envelope.location)
        .bind(&body.software)
        .bind(lanes)
        .bind(body.state.as_str())
        .bind(json::write(&peppers, "edge.peppers")?)
        .bind(body.held.map(|held| stored(held.epoch)))
        .bind(body.held.map(|held| stored(held.generation)))
        .bind(i64::from(envelope.sequence))
        .bind(at.as_millis())
        .bind(by_now(body.since, at))
        .bind(json::write(&counters, "edge.counters")?)
        .bind(digest)
        .fetch_one(&mut *conn)
        .await
        .map_err(failed)?;
    let applied: Vec<AppliedRow> = body
        .applied
        .iter()
        .map(|applied| AppliedRow { generation: stored(applied.generation), at: stored(applied.at) })
        .collect();
    if !applied.is_empty() {
        let applied = json::write(&applied, "edge_applied")?;
        let apply = sqlx::query(APPLY).bind(edge).bind(applied).bind(at.as_millis());
        apply.execute(&mut *conn).await.map_err(failed)?;
    }
    sqlx::query(APPLIED_AT).bind(edge).execute(&mut *conn).await.map_err(failed)?;
    let samples = refusals::Places::taken_by(&body.samples);
    let newest: (i64, i64) = sqlx::query_as(BOUND_PUT)
        .bind(at.as_millis())
        .bind(by_now(body.until, at))
        .bind(gap_at)
        .bind((body.others.secrets > 0).then(|| at.as_millis()))
        .bind(SILENCE_MS)
        .bind(samples.known)
        .bind(samples.strangers)
        .bind(SET_BACK_MS)
        .fetch_one(&mut *conn)
        .await
        .map_err(failed)?;
    refusals::take_samples(&mut *conn, edge, samples.before(newest), report, at).await?;
    refusals::take_hitters(conn, report, at).await?;
    Ok(edge)
}

/// Whether calls of a retiring secret may have gone uncounted before this report: a part of what was
/// counted was lost, or a report is missing, or the edge could judge nothing, or it had no place left, or
/// reports could not be sent, for who else could not may be gone with what it counted. Where it had no place left
/// while it judged by less than was `committed`, a secret may have been retiring of which it did not know so.
fn is_behind_gap(report: &Report, before: Option<&Before>, committed: i64) -> bool {
    let (envelope, body) = (&report.envelope, &report.body);
    let is_next = before.map_or(0, |before| before.sequence) + 1 == i64::from(envelope.sequence);
    let expired = Counter::Refused(RefusalKind::of(Refusal::SnapshotExpired));
    // It may be fresh again by now.
    let had_expired = body.state == State::Expired || body.counters.iter().any(|(counter, _)| *counter == expired);
    // A change of anything counts: which of them retired a secret is not known here.
    let lagged = !body.applied.is_empty() || body.held.is_some_and(|held| stored(held.generation) < committed);
    let is_unknown = body.others.retiring > 0 || (body.others.secrets > 0 && lagged);
    envelope.lost || envelope.held_up || !is_next || had_expired || is_unknown
}

async fn take_usage(
    conn: &mut SqliteConnection,
    report: &Report,
    usage: &[Usage],
    at: UnixMillis,
) -> Result<(), StoreError> {
    let rows: Vec<UsageRow> = usage.iter().map(|usage| usage_row(usage, report.body.until, at)).collect();
    let rows = json::write(&rows, "secret_usage")?;
    sqlx::query(USAGE_PUT).bind(&rows).execute(&mut *conn).await.map_err(failed)?;
    sqlx::query(KEY_USED).bind(&rows).execute(conn).await.map(drop).map_err(failed)
}

/// How a secret was used, as its row takes it. No edge's clock makes a call later than its report came.
fn usage_row(usage: &Usage, until: u64, at: UnixMillis) -> UsageRow {
    let time = |ago: u64| by_now(until.saturating_sub(ago), at);
    let prefix = hex::encode(usage.fingerprint);
    UsageRow {
        from: format!("{prefix}{}", "0".repeat(16)),
        to: format!("{prefix}{}", "f".repeat(16)),
        calls: usage.calls,
        refused: usage.refused,
        last_used_at: (usage.calls > 0).then(|| time(usage.last_ago)),
        last_denied_at: (usage.refused > 0).then(|| time(last_denied_ago(usage))),
        denied_since: usage.first_denied_ago.map(time),
    }
}

/// How long before its report's end a secret was refused for the last time. Where calls were allowed, too, that is
/// told of a refusal by status that was the only one; else it is as late as can be, so that none is missed.
fn last_denied_ago(usage: &Usage) -> u64 {
    match usage.first_denied_ago {
        _ if usage.calls == 0 => usage.last_ago,
        Some(only) if usage.refused == 1 => only,
        _ => 0,
    }
}

/// A time that an edge tells of. No clock of an edge is ahead.
fn by_now(millis: u64, at: UnixMillis) -> i64 {
    stored(millis).min(at.as_millis())
}

/// A number that an edge tells of, as far as a column holds it.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _};

    use super::{KEY_USED, USAGE_PUT};
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn only_the_secrets_that_a_report_tells_of_are_looked_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite:{}", dir.path().join("keyward.db").display());
        let store = SqliteStore::open(&url).await.expect("a store");
        for statement in [KEY_USED, USAGE_PUT] {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let rows = sqlx::query(explain).fetch_all(&store.readers).await.expect("a plan");
            let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(steps.iter().any(|step| step.starts_with("SEARCH secret")), "{statement}\n{steps:#?}");
            assert!(!steps.iter().any(|step| step.starts_with("SCAN secret")), "{statement}\n{steps:#?}");
        }
    }
}
