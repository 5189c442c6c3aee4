//! Edges as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::time::UnixMillis;
use crate::lifecycle::Edge;

/// An edge that was heard from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Edge)]
pub struct EdgeBody {
    /// Its identifier: the beginning of the request ids that it gives.
    id: String,
    /// Where it runs, in the platform's words; `null` where it does not tell.
    #[schema(required)]
    location: Option<String>,
    /// The version of its software.
    version: String,
    /// Where it reads heads from: `kv`, `http` or both.
    lanes: Vec<&'static str>,
    /// How fresh its head was: `none`, `fresh`, `stale` or `expired`.
    state: &'static str,
    /// Whether it was heard from in the last 60 seconds, or 180 where it reads from Workers KV alone.
    live: bool,
    /// The epoch of the head that it holds.
    #[schema(required)]
    epoch: Option<u64>,
    /// The generation of that head.
    #[schema(required)]
    generation: Option<u64>,
    /// When it began to judge by that generation, by its own clock.
    #[schema(required)]
    applied_at: Option<UnixMillis>,
    /// When it was first heard from.
    first_seen_at: UnixMillis,
    /// When it was last heard from.
    last_seen_at: UnixMillis,
    /// The identifiers of the peppers that it has.
    peppers: Vec<String>,
    /// What it has counted so far, by the counter's name. `unnamed_calls` and `unnamed_refused` are calls of which it
    /// could not tell whose they were: of more keys than it tells one by one.
    counters: BTreeMap<String, u64>,
}

impl EdgeBody {
    /// An edge as it stands at `now`.
    pub fn new(edge: Edge, now: UnixMillis) -> Self {
        let lanes = [("kv", edge.lanes.kv), ("http", edge.lanes.http)];
        Self {
            id: hex::encode(edge.instance),
            live: edge.is_live(now),
            location: Some(edge.location).filter(|location| !location.is_empty()),
            version: edge.software,
            lanes: lanes.into_iter().filter_map(|(lane, is_read)| is_read.then_some(lane)).collect(),
            state: edge.state.as_str(),
            epoch: edge.held.map(|held| held.epoch),
            generation: edge.held.map(|held| held.generation),
            applied_at: edge.held.and_then(|held| held.applied_at),
            first_seen_at: edge.first_seen_at,
            last_seen_at: edge.seen_at,
            peppers: edge.peppers,
            counters: edge.counters,
        }
    }
}
