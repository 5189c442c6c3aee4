//! Where generations have arrived, as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::time::UnixMillis;
use crate::lifecycle::GenerationReceipt;

/// Where a generation has arrived.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Generation)]
pub struct GenerationBody {
    /// Which.
    generation: u64,
    /// When it was committed.
    #[schema(required)]
    committed_at: Option<UnixMillis>,
    /// When the first head that carries it was signed, and from then on served over http; `null` until then.
    #[schema(required)]
    published_at: Option<UnixMillis>,
    /// When that head, or a later one, was in Workers KV.
    #[schema(required)]
    kv_published_at: Option<UnixMillis>,
    /// Edges that judge by it, or by a later one: the first 1,000, and none of which it is no longer known since when.
    applied: Vec<AppliedBody>,
    /// Edges heard from in the last 24 hours that do not yet, as far as they told: the last 1,000.
    unconfirmed: Vec<UnconfirmedBody>,
    /// When no edge can any more hold an older head, and not before there was this one; `null` until it is published.
    #[schema(required)]
    certain_at: Option<UnixMillis>,
}

/// An edge that judges by a generation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AppliedBy)]
struct AppliedBody {
    /// Its identifier: the beginning of the request ids that it gives.
    edge: String,
    /// Since when.
    at: UnixMillis,
}

/// An edge that does not judge by a generation yet, as far as it told.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Unconfirmed)]
struct UnconfirmedBody {
    /// Its identifier: the beginning of the request ids that it gives.
    edge: String,
    /// When it was last heard from.
    last_seen_at: UnixMillis,
}

impl From<GenerationReceipt> for GenerationBody {
    fn from(receipt: GenerationReceipt) -> Self {
        let applied = |(edge, at): ([u8; 10], UnixMillis)| AppliedBody { edge: hex::encode(edge), at };
        let unconfirmed = receipt
            .unconfirmed
            .into_iter()
            .map(|edge| UnconfirmedBody { edge: hex::encode(edge.instance), last_seen_at: edge.seen_at });
        Self {
            generation: receipt.generation,
            committed_at: receipt.committed_at,
            published_at: receipt.published_at,
            kv_published_at: receipt.kv_published_at,
            applied: receipt.applied.into_iter().map(applied).collect(),
            unconfirmed: unconfirmed.collect(),
            certain_at: receipt.certain_at,
        }
    }
}
