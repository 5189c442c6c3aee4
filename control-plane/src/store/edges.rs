//! What is asked of a database about edges: what they report, and how each stands.

use std::collections::BTreeMap;

use async_trait::async_trait;
use keyward_shared::report::{Lanes, Report, State};

use super::StoreError;
use crate::domain::time::UnixMillis;

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

/// Edges and their reports. What they write is no change: it takes no generation and no audit event.
#[async_trait]
pub trait EdgeStore: Send + Sync {
    /// Takes a report that came at `at`, unless it, or one that its edge sent later, was taken before.
    async fn take_report(&self, report: &Report, at: UnixMillis) -> Result<Taken, StoreError>;

    /// One page of the edges heard from since `since`, the one last heard from first.
    async fn edges(&self, since: UnixMillis, after: Option<EdgePosition>, limit: u16) -> Result<Vec<Edge>, StoreError>;

    /// All edges that are live at `now`, as [`Edge::is_live`] says.
    async fn live_edges(&self, now: UnixMillis) -> Result<Vec<Edge>, StoreError>;
}

/// How long after its last report an edge that reads over http is live, in milliseconds.
const HTTP_LIVE_MS: i64 = 60_000;
/// The same of one that reads from Workers KV alone.
const KV_LIVE_MS: i64 = 180_000;

impl Edge {
    /// Whether it was heard from lately, for the lane that it reads from.
    pub const fn is_live(&self, now: UnixMillis) -> bool {
        let for_ms = if self.lanes.http { HTTP_LIVE_MS } else { KV_LIVE_MS };
        now.as_millis().saturating_sub(self.seen_at.as_millis()) < for_ms
    }

    /// When an edge that is live at `now` was last heard from at the earliest.
    pub(super) const fn live_since(now: UnixMillis) -> UnixMillis {
        UnixMillis::from_millis(now.as_millis().saturating_sub(KV_LIVE_MS))
    }
}
