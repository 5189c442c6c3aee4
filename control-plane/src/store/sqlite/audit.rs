//! Rows of `audit_event` and `outbox`, and of `idempotency` where an answer is kept: what every commit
//! writes.

use keyward_shared::id::{MemberId, TeamId, WorkspaceId};
use sqlx::SqliteConnection;

use super::error::{failed, one_row};
use super::json;
use crate::domain::audit::AuditEvent;
use crate::domain::change::Change;
use crate::domain::text::Reason;
use crate::store::{KeptAnswer, StoreError};

const INSERT: &str = include_str!("sql/audit_event_insert.sql");
const COMMIT: &str = include_str!("sql/commit.sql");
const COMMIT_WITH_ANSWER: &str = concat!(include_str!("sql/commit.sql"), include_str!("sql/commit_answer.sql"));

/// Writes the change's events behind `last_seq`, what it touched, and the answer to be kept.
pub(super) async fn record(
    conn: &mut SqliteConnection,
    change: &Change,
    last_seq: u64,
    answer: Option<&KeptAnswer>,
) -> Result<(), StoreError> {
    let mut seq = last_seq;
    for event in change.events() {
        seq += 1;
        insert(conn, event, seq, change.generation().0).await?;
    }
    finish(conn, change, seq, answer).await
}

async fn insert(conn: &mut SqliteConnection, event: &AuditEvent, seq: u64, generation: u64) -> Result<(), StoreError> {
    let hash = event.hash(seq, generation).map_err(|error| StoreError::Misused(Box::new(error)))?;
    let actor = &event.actor;
    let done = sqlx::query(INSERT)
        .bind(seq.cast_signed())
        .bind(event.at.as_millis())
        .bind(actor.kind.as_str())
        .bind(actor.id())
        .bind(&actor.name)
        .bind(actor.ip.map(|ip| ip.to_string()))
        .bind(actor.on_behalf_of.as_ref().map(MemberId::to_string))
        .bind(event.action.as_str())
        .bind(event.entity.as_str())
        .bind(&event.target.id)
        .bind(&event.target.name)
        .bind(event.workspace_id.map(|id: WorkspaceId| id.as_u64().cast_signed()))
        .bind(event.team_id.map(|id: TeamId| id.as_u64().cast_signed()))
        .bind(json::write(&actor.team_ids, "audit_event.actor_team_ids")?)
        .bind(event.reason.as_ref().map(Reason::as_str))
        .bind(json::write(event.details.as_value(), "audit_event.details")?)
        .bind(&actor.request_id)
        .bind(generation.cast_signed())
        .bind(&hash[..])
        .execute(conn)
        .await
        .map_err(failed)?;
    one_row(done.rows_affected(), "audit_event")
}

/// One statement for all that was touched, however many secrets a workspace has.
async fn finish(
    conn: &mut SqliteConnection,
    change: &Change,
    seq: u64,
    answer: Option<&KeptAnswer>,
) -> Result<(), StoreError> {
    let secrets = change
        .touched()
        .iter()
        .map(|touched| (hex::encode(touched.fingerprint.as_bytes()), u8::from(touched.narrowing)));
    let settings = change.touches_settings().then(|| (String::new(), 1));
    let entries: Vec<(String, u8)> = secrets.chain(settings).collect();
    let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    let finish = sqlx::query(if answer.is_some() { COMMIT_WITH_ANSWER } else { COMMIT })
        .bind(seq.cast_signed())
        .bind(change.generation().0.cast_signed())
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
    // The counter's row, what was touched, and the answer's row.
    let others = entries.len() as u64 + u64::from(answer.is_some());
    one_row(done.rows_affected().saturating_sub(others), "counter")
}
