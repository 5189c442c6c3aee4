//! What is asked of a database about edges: what they report, and how each stands.

use std::collections::BTreeMap;

use async_trait::async_trait;
use keyward_shared::report::{Lanes, Report, ReportError, State};

use super::StoreError;
use super::refusals::{MostRefused, RefusalSample, RefusedQuery};
use crate::domain::time::UnixMillis;
use crate::domain::usage::UsageBounds;

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is news, and was taken.
    New,
    /// It was taken before, or one that its edge sent later: nothing was changed.
    Repeated,
}

/// The head that an edge holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldHead {
    /// Its epoch.
    pub epoch: u64,
    /// Its generation.
    pub generation: u64,
    /// Since when the edge judges by that generation, by its own clock; none where its reports do not tell.
    pub applied_at: Option<UnixMillis>,
}

/// An edge that was heard from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The row, in the order in which edges were first heard from.
    pub id: u64,
    /// Drawn by chance when the edge began, and the beginning of its request ids.
    pub instance: [u8; 10],
    /// Where it runs, in the platform's words; empty where it does not tell.
    pub location: String,
    /// The version of its software.
    pub software: String,
    /// Where it reads heads from.
    pub lanes: Lanes,
    /// Whether its head was fresh enough.
    pub state: State,
    /// The identifiers of its peppers.
    pub peppers: Vec<String>,
    /// The head that it holds, if it has one.
    pub held: Option<HeldHead>,
    /// When it was first heard from.
    pub first_seen_at: UnixMillis,
    /// When it was last heard from.
    pub seen_at: UnixMillis,
    /// All that it ever counted, by the counters' words.
    pub counters: BTreeMap<String, u64>,
}

/// A place in the list of edges: behind the one last heard from at this time, with this row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgePosition {
    /// When it was last heard from.
    pub seen_at: UnixMillis,
    /// Its row.
    pub id: u64,
}

/// A report as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// What it says, as far as this release knows what edges may say.
    pub report: Report,
    /// Of its bytes, whatever they say: the same each time that it comes.
    pub digest: [u8; 32],
}

impl Received {
    /// Reads a report.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReportError> {
        Ok(Self { report: Report::decode(bytes)?, digest: Report::digest(bytes) })
    }
}

/// Edges and their reports. What they write is no change: it takes no generation and no audit event.
#[async_trait]
pub trait EdgeStore: Send + Sync {
    /// Takes a report that came at `at`, unless it, or one that its edge sent later, was taken before.
    async fn take_report(&self, received: &Received, at: UnixMillis) -> Result<Taken, StoreError>;

    /// One page of the edges heard from since `since`, the one last heard from first.
    async fn edges(&self, since: UnixMillis, after: Option<EdgePosition>, limit: u16) -> Result<Vec<Edge>, StoreError>;

    /// The generation that every edge holds which is live at `now`, as [`Edge::is_live`] says, 0 where one holds
    /// none; none where no edge is live.
    async fn applied_by_live(&self, now: UnixMillis) -> Result<Option<u64>, StoreError>;

    /// Where a generation has arrived; none of one that was not committed.
    async fn receipt(&self, query: &ReceiptQuery) -> Result<Option<Receipt>, StoreError>;

    /// What all reports together tell of usage; none before the first.
    async fn usage_bounds(&self, now: UnixMillis) -> Result<Option<UsageBounds>, StoreError>;

    /// A refusal that an edge told of by itself, by the how manieth request of the edge it was.
    async fn sample(&self, instance: [u8; 10], ordinal: u32) -> Result<Option<RefusalSample>, StoreError>;

    /// Who was refused most, the one refused most first.
    async fn most_refused(&self, query: &RefusedQuery) -> Result<MostRefused, StoreError>;

    /// Drops edges, their steps and heads that are kept no longer at `now`; says how many rows. Edges that are
    /// more than [`MAX_EDGES`] go too, those last heard from longest ago.
    async fn forget_edges(&self, now: UnixMillis) -> Result<u64, StoreError>;
}

/// What is asked of a generation.
#[derive(Debug, Clone, Copy)]
pub struct ReceiptQuery {
    /// Which.
    pub generation: u64,
    /// Edges that do not hold it are told of where they were heard from since.
    pub unconfirmed_since: UnixMillis,
    /// How much an edge's clock may be ahead of the time that a head expires at, in milliseconds.
    pub clock_ms: i64,
    /// Most edges of each kind.
    pub limit: u32,
}

/// Where a generation has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// When it was committed; none where the audit log does not hold that any more.
    pub committed_at: Option<UnixMillis>,
    /// The first head that carries it.
    pub published: Option<Published>,
    /// Edges that began to judge by it, or by a later one, the first of them first.
    pub applied: Vec<AppliedBy>,
    /// Edges that were heard from and hold an older head, the one last heard from first.
    pub unconfirmed: Vec<Unconfirmed>,
}

/// The first head that carries a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// When it was signed, and from then on served over http.
    pub at: UnixMillis,
    /// When it, or a later one, was in Workers KV.
    pub sent_at: Option<UnixMillis>,
    /// When every older head has expired.
    pub older_expire_at: Option<UnixMillis>,
}

impl Published {
    /// When no edge can any more judge by an older head, if its clock is behind by no more than `clock_ms`. It
    /// judges by this one from when it was signed at the earliest, whenever the older ones expired.
    pub fn certain_at(&self, clock_ms: i64) -> UnixMillis {
        self.older_end_at(clock_ms).map_or(self.at, |expired| expired.max(self.at))
    }

    /// Until when an edge could begin with an older head; none where there was no older head that was valid.
    pub fn older_edges_until(&self, clock_ms: i64) -> Option<UnixMillis> {
        self.older_end_at(clock_ms).filter(|expired| *expired > self.at)
    }

    fn older_end_at(&self, clock_ms: i64) -> Option<UnixMillis> {
        self.older_expire_at.map(|at| UnixMillis::from_millis(at.as_millis().saturating_add(clock_ms)))
    }
}

/// An edge that applied a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppliedBy {
    /// Which.
    pub instance: [u8; 10],
    /// When, by its own clock.
    pub at: UnixMillis,
    /// When it told so.
    pub told_at: UnixMillis,
}

/// An edge that holds an older generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unconfirmed {
    /// Which.
    pub instance: [u8; 10],
    /// When it was last heard from.
    pub seen_at: UnixMillis,
}

/// Most edges that are kept.
pub const MAX_EDGES: u32 = 200_000;
/// Most steps of edges, from one generation to another, that are kept.
pub const MAX_STEPS: u32 = 2_000_000;
/// How long after its last report an edge is kept, and as long a generation, in milliseconds.
pub const KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// How long after its last report an edge that reads over http is live, in milliseconds.
pub(super) const HTTP_LIVE_MS: i64 = 60_000;
/// The same of one that reads from Workers KV alone.
pub(super) const KV_LIVE_MS: i64 = 180_000;

impl Edge {
    /// Whether it was heard from lately, for the lane that it reads from.
    pub const fn is_live(&self, now: UnixMillis) -> bool {
        let for_ms = if self.lanes.http { HTTP_LIVE_MS } else { KV_LIVE_MS };
        now.as_millis().saturating_sub(self.seen_at.as_millis()) < for_ms
    }
}
