//! Read where a generation has arrived, and whether every live edge has applied it.

use keyward_shared::snapshot::MAX_CLOCK_AHEAD_MS;

use super::refusal::Missing;
use super::{Lifecycle, Needs, Refusal};
use crate::domain::actor::Actor;
use crate::domain::change::Generation;
use crate::domain::permission::Permission;
use crate::domain::time::UnixMillis;
use crate::store::edges::KEPT_MS;
use crate::store::{AppliedBy, ReceiptQuery, Unconfirmed};

/// How long an edge is told of that does not hold a generation, in milliseconds.
const UNCONFIRMED_MS: i64 = 24 * 60 * 60 * 1000;
/// Most edges of each kind.
const MOST_EDGES: u32 = 1_000;

/// Where a generation has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationReceipt {
    /// Which.
    pub generation: u64,
    /// When it was committed, or published where the audit log does not hold that any more.
    pub committed_at: Option<UnixMillis>,
    /// When the first head that carries it was signed.
    pub published_at: Option<UnixMillis>,
    /// When that head, or a later one, was in Workers KV.
    pub kv_published_at: Option<UnixMillis>,
    /// Edges that began to judge by it, or by a later one, and when: not before it was committed and not
    /// after they told so, whatever their clocks say. The first of them first.
    pub applied: Vec<([u8; 10], UnixMillis)>,
    /// Edges heard from in the last 24 hours that hold an older head.
    pub unconfirmed: Vec<Unconfirmed>,
    /// When no edge can any more judge by an older head; none before it is published.
    pub certain_at: Option<UnixMillis>,
}

impl Lifecycle {
    /// Where a generation of the last 90 days has arrived.
    pub async fn get_generation(
        &self,
        actor: &Actor,
        generation: u64,
        now: UnixMillis,
    ) -> Result<GenerationReceipt, Refusal> {
        self.admit(actor, Needs::Deployment(Permission::SnapshotRead)).await?;
        let clock_ms = i64::try_from(MAX_CLOCK_AHEAD_MS).unwrap_or(i64::MAX);
        let query = ReceiptQuery {
            generation,
            unconfirmed_since: UnixMillis::from_millis(now.as_millis() - UNCONFIRMED_MS),
            clock_ms,
            limit: MOST_EDGES,
        };
        let kept_from = UnixMillis::from_millis(now.as_millis() - KEPT_MS);
        let receipt = self.store.receipt(&query).await?;
        let receipt = receipt.filter(|receipt| receipt.published.is_none_or(|head| head.at >= kept_from));
        let receipt = receipt.ok_or(Refusal::NotFound(Missing::Generation))?;
        let committed_at = receipt.committed_at.or(receipt.published.map(|head| head.at));
        let when = |edge: AppliedBy| {
            let at = edge.at.min(edge.told_at);
            (edge.instance, committed_at.map_or(at, |committed_at| at.max(committed_at)))
        };
        Ok(GenerationReceipt {
            generation,
            committed_at,
            published_at: receipt.published.map(|head| head.at),
            kv_published_at: receipt.published.and_then(|head| head.sent_at),
            applied: receipt.applied.into_iter().map(when).collect(),
            unconfirmed: receipt.unconfirmed,
            certain_at: receipt.published.map(|head| head.certain_at(clock_ms)),
        })
    }

    /// The generation that every live edge has applied, 0 where one has none; none where no edge is live.
    pub async fn applied_by_live(&self, now: UnixMillis) -> Result<Option<Generation>, Refusal> {
        Ok(self.store.applied_by_live(now).await?.map(Generation))
    }
}
