//! Pruning: events that were exported are dropped, and their hashes stay, so that what remains verifies, and
//! what was exported is still proved to have been in the log.

use super::error::{failed, one_row};
use super::writer::in_task;
use super::{SqliteStore, log};
use crate::domain::audit::AuditEvent;
use crate::store::StoreError;

const MARK: &str = include_str!("sql/prune_mark.sql");
const PIECE: &str = include_str!("sql/prune_piece.sql");
const DROP: &str = include_str!("sql/prune_drop.sql");

/// Events that are dropped at a time: others that write wait for no longer than that takes.
const DROPPED: u32 = 5_000;

impl SqliteStore {
    /// Says that the events up to this one are pruned, which `event` tells. They are gone once
    /// [`SqliteStore::drop_pruned`] has dropped them.
    pub async fn prune(&self, through: u64, event: AuditEvent) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        // Begun, it is finished, whoever still waits for it.
        in_task(async move {
            let mut transaction = writer.transaction().await?;
            let mark = sqlx::query(MARK).bind(through.cast_signed());
            let marked = mark.execute(&mut *transaction).await.map_err(failed)?;
            one_row(marked.rows_affected(), "audit_log")?;
            let last = log::tell(&mut transaction, &[event]).await?;
            transaction.commit().await?;
            writer.line.logged.send_replace(last);
            Ok(())
        })
        .await?
    }

    /// Drops events that were pruned, some at a time; tells how many. May be cut off anywhere and begun again.
    pub async fn drop_pruned(&self) -> Result<u64, StoreError> {
        let mut dropped = 0;
        loop {
            let mut transaction = self.writer.transaction().await?;
            let (count, last): (i64, Option<i64>) =
                sqlx::query_as(PIECE).bind(DROPPED).fetch_one(&mut *transaction).await.map_err(failed)?;
            let Some(last) = last else {
                transaction.roll_back().await?;
                return Ok(dropped);
            };
            sqlx::query(DROP).bind(last).execute(&mut *transaction).await.map_err(failed)?;
            transaction.commit().await?;
            dropped += count.cast_unsigned();
        }
    }
}
