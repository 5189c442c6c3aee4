//! Rows of `audit_event` and `outbox`, and of `idempotency` where an answer is kept: what every commit
//! writes.

use keyward_shared::id::{TeamId, WorkspaceId};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::error::{failed, one_row};
use super::json;
use super::log::Appended;
use crate::domain::audit::{AuditEvent, NotCanonical, canonical, hash};
use crate::domain::change::Change;
use crate::domain::text::Reason;
use crate::store::{KeptAnswer, StoreError};

const WRITE: &str = include_str!("sql/commit.sql");
const COMMIT: &str = concat!(include_str!("sql/commit.sql"), include_str!("sql/commit_outbox.sql"));
const COMMIT_WITH_ANSWER: &str = concat!(
    include_str!("sql/commit.sql"),
    include_str!("sql/commit_outbox.sql"),
    include_str!("sql/commit_answer.sql")
);

/// Writes the change's events behind `last_seq`, what it touched, and the answer to be kept. Tells what is
/// to be taken into the log's tree.
pub(super) async fn record(
    conn: &mut SqliteConnection,
    change: &Change,
    last_seq: u64,
    answer: Option<&KeptAnswer>,
) -> Result<Vec<Appended>, StoreError> {
    let (rows, appended) = rows(change.events(), change.generation().0, last_seq)?;
    finish(conn, change, last_seq, &rows, answer).await?;
    Ok(appended)
}

/// Writes events of no change, behind `last_seq`. Tells what is to be taken into the log's tree.
pub(super) async fn write(
    conn: &mut SqliteConnection,
    events: &[AuditEvent],
    generation: u64,
    last_seq: u64,
) -> Result<Vec<Appended>, StoreError> {
    let (rows, appended) = rows(events, generation, last_seq)?;
    let happened = rows.len() as u64;
    let write = sqlx::query(WRITE)
        .bind((last_seq + happened).cast_signed())
        .bind(generation.cast_signed())
        .bind(json::write(&rows, "audit_event")?);
    let done = write.execute(conn).await.map_err(failed)?;
    one_row(done.rows_affected().saturating_sub(happened), "counter")?;
    Ok(appended)
}

fn rows<'a>(
    events: impl IntoIterator<Item = &'a AuditEvent>,
    generation: u64,
    last_seq: u64,
) -> Result<(Vec<Value>, Vec<Appended>), StoreError> {
    let rows: Vec<(Value, Appended)> =
        (last_seq + 1..).zip(events).map(|(seq, event)| row(event, seq, generation)).collect::<Result<_, _>>()?;
    Ok(rows.into_iter().unzip())
}

/// The values of an event's row, in the order of `commit.sql`.
fn row(event: &AuditEvent, seq: u64, generation: u64) -> Result<(Value, Appended), StoreError> {
    let document = event.document(seq, generation);
    let hash = hash(&document).map_err(not_canonical)?;
    let actor = &event.actor;
    let row = json!([
        seq,
        event.at.as_millis(),
        actor.kind.as_str(),
        actor.id(),
        actor.name,
        actor.ip,
        actor.on_behalf_of,
        event.action.as_str(),
        event.entity.as_str(),
        event.target.id,
        event.target.name,
        event.workspace_id.map(|id: WorkspaceId| id.as_u64().cast_signed()),
        event.team_id.map(|id: TeamId| id.as_u64().cast_signed()),
        json::write(&actor.team_ids, "audit_event.actor_team_ids")?,
        event.reason.as_ref().map(Reason::as_str),
        text(event.details.as_value())?,
        actor.request_id,
        hex::encode(hash),
    ]);
    Ok((row, Appended::new(seq, event.at, hash, &document)))
}

/// Details as they are stored: their canonical text, and so no other text has their hash.
pub(super) fn text(details: &Value) -> Result<String, StoreError> {
    let bytes = canonical(details).map_err(not_canonical)?;
    String::from_utf8(bytes).map_err(|error| StoreError::Misused(Box::new(error)))
}

pub(super) fn not_canonical(error: NotCanonical) -> StoreError {
    StoreError::Misused(Box::new(error))
}

/// One way to the database for all of it, however many events there are and secrets a workspace has.
async fn finish(
    conn: &mut SqliteConnection,
    change: &Change,
    last_seq: u64,
    events: &[Value],
    answer: Option<&KeptAnswer>,
) -> Result<(), StoreError> {
    let secrets = change
        .touched()
        .iter()
        .map(|touched| (hex::encode(touched.fingerprint.as_bytes()), u8::from(touched.narrowing)));
    let settings = change.touches_settings().then(|| (String::new(), 1));
    let entries: Vec<(String, u8)> = secrets.chain(settings).collect();
    let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    let happened = events.len() as u64;
    let finish = sqlx::query(if answer.is_some() { COMMIT_WITH_ANSWER } else { COMMIT })
        .bind((last_seq + happened).cast_signed())
        .bind(change.generation().0.cast_signed())
        .bind(json::write(&events, "audit_event")?)
        .bind(json::write(&entries, "outbox")?)
        .bind(count);
    let finish = match answer {
        None => finish,
        Some(answer) => finish
            .bind(&answer.id[..])
            .bind(&answer.request_hash[..])
            .bind(&answer.sealed[..])
            .bind(answer.created_at.as_millis())
            .bind(answer.expires_at.as_millis()),
    };
    let done = finish.execute(conn).await.map_err(failed)?;
    // The counter's row, the events, what was touched, and the answer's row.
    let others = happened + entries.len() as u64 + u64::from(answer.is_some());
    one_row(done.rows_affected().saturating_sub(others), "counter")
}
