//! What was signed of the audit log.

use super::cursor::{ListTag, Position};
use super::list_events::events_seen;
use super::refusal::Missing;
use super::{Lifecycle, Listed, Page, Refusal};
use crate::domain::actor::Actor;
use crate::domain::key::query::SortValue;
use crate::domain::time::UnixMillis;
use crate::store::CheckpointPosition;

pub use crate::store::StoredCheckpoint;

/// Milliseconds for which a checkpoint is as good as a new one.
const YOUNG_MS: i64 = 1_000;

impl Lifecycle {
    /// The log as it is signed now.
    pub async fn newest_checkpoint(&self, actor: &Actor, now: UnixMillis) -> Result<StoredCheckpoint, Refusal> {
        events_seen(&self.rights(actor).await?, None)?;
        let newest = match &self.notary {
            Some(notary) => notary.sign_where_older(now, YOUNG_MS).await?,
            None => self.store.newest_checkpoint().await?,
        };
        newest.ok_or(Refusal::NotFound(Missing::Checkpoint))
    }

    /// One page of the checkpoints that were made from one time up to another, oldest first, between the one
    /// before and the one behind them.
    pub async fn list_checkpoints(
        &self,
        actor: &Actor,
        (from, to): (Option<UnixMillis>, Option<UnixMillis>),
        page: &Page,
    ) -> Result<Listed<StoredCheckpoint>, Refusal> {
        events_seen(&self.rights(actor).await?, None)?;
        let limit = page.limit()?;
        let tag = ListTag::new("checkpoints", &(from, to))?;
        let after = page.position(&tag)?.map(|position| read(&position)).transpose()?;
        let from = from.unwrap_or(UnixMillis::from_millis(i64::MIN));
        let to = to.unwrap_or(UnixMillis::from_millis(i64::MAX));
        Listed::new(self.store.checkpoints(from, to, after, limit + 1).await?, limit, &tag, write)
    }
}

fn write(checkpoint: &StoredCheckpoint) -> Position {
    let place = format!("{} {}", checkpoint.at.as_millis(), checkpoint.incarnation);
    Position { value: SortValue::Text(place), id: checkpoint.size }
}

fn read(position: &Position) -> Result<CheckpointPosition, Refusal> {
    let place = match &position.value {
        SortValue::Text(place) => place.split_once(' '),
        SortValue::Millis(_) => None,
    };
    let (at, incarnation) = place.ok_or(Refusal::BadCursor)?;
    Ok(CheckpointPosition {
        at: UnixMillis::from_millis(at.parse().map_err(|_| Refusal::BadCursor)?),
        incarnation: incarnation.parse().map_err(|_| Refusal::BadCursor)?,
        size: position.id,
    })
}
