//! Rows of `audit_event` and `outbox`, and of `idempotency` where an answer is kept: what every commit
//! writes.

use keyward_shared::id::{TeamId, WorkspaceId};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::error::{failed, one_row};
use super::json;
use crate::domain::audit::AuditEvent;
use crate::domain::change::Change;
use crate::domain::text::Reason;
use crate::store::{KeptAnswer, StoreError};

const COMMIT: &str = include_str!("sql/commit.sql");
const COMMIT_WITH_ANSWER: &str = concat!(include_str!("sql/commit.sql"), include_str!("sql/commit_answer.sql"));

/// Writes the change's events behind `last_seq`, what it touched, and the answer to be kept.
pub(super) async fn record(
    conn: &mut SqliteConnection,
    change: &Change,
    last_seq: u64,
    answer: Option<&KeptAnswer>,
) -> Result<(), StoreError> {
    let generation = change.generation().0;
    let events: Vec<Value> = (last_seq + 1..)
        .zip(change.events())
        .map(|(seq, event)| row(event, seq, generation))
        .collect::<Result<_, _>>()?;
    finish(conn, change, last_seq, &events, answer).await
}

/// The values of an event's row, in the order of `commit.sql`.
fn row(event: &AuditEvent, seq: u64, generation: u64) -> Result<Value, StoreError> {
    let hash = event.hash(seq, generation).map_err(|error| StoreError::Misused(Box::new(error)))?;
    let actor = &event.actor;
    Ok(json!([
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
        json::write(event.details.as_value(), "audit_event.details")?,
        actor.request_id,
        hex::encode(hash),
    ]))
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
        .bind(json::write(&entries, "outbox")?)
        .bind(count)
        .bind(json::write(&events, "audit_event")?);
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
