//! What is asked of a database about the audit log: its events, the tree over them, and what was signed of it.

use core::ops::Range;

use async_trait::async_trait;
use keyward_shared::id::WorkspaceId;
use tokio::sync::watch;

use super::StoreError;
use crate::domain::audit::filter::EventFilter;
use crate::domain::audit::merkle::{Edge, Hash, Place};
use crate::domain::audit::search::Wanted;
use crate::domain::audit::{AuditEvent, LoggedEvent};
use crate::domain::time::UnixMillis;

/// The log's tree as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeState {
    /// Its right edge.
    pub edge: Edge,
    /// Events up to here are not there any more.
    pub pruned: u64,
    /// How often a restored database could not go on from what was signed, counted from 1.
    pub incarnation: u32,
}

/// A checkpoint that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Of which incarnation of the log.
    pub incarnation: u32,
    /// Events in it.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// When.
    pub at: UnixMillis,
    /// The signed note.
    pub note: String,
}

/// From which end a log is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The newest event first, as lists show it.
    Newest,
    /// The oldest event first, as exports tell it.
    Oldest,
}

/// A part of the log. What was pruned is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// What is asked for.
    pub filter: EventFilter,
    /// The only workspace that whoever asks sees; none for one who sees all of the log.
    pub sees: Option<WorkspaceId>,
    /// The numbers that an event may have.
    pub range: Range<u64>,
    /// Which end comes first.
    pub order: Order,
    /// How many events, most.
    pub limit: u16,
}

/// A place in the list of checkpoints: behind the one made at this time, of this incarnation and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointPosition {
    /// When it was made.
    pub at: UnixMillis,
    /// Of which incarnation.
    pub incarnation: u32,
    /// Its size.
    pub size: u64,
}

/// The audit log.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds events that change nothing else: no generation is taken. They are durable when it comes back,
    /// with the number of the last.
    async fn tell(&self, events: Vec<AuditEvent>) -> Result<u64, StoreError>;

    /// The number of the newest event that this process made durable; changes when one is.
    fn logged(&self) -> watch::Receiver<u64>;

    /// A part of the log, in the order asked for.
    async fn events(&self, query: &EventQuery) -> Result<Vec<LoggedEvent>, StoreError>;

    /// In how many places of the log words stand that begin as those do of which only the beginning is given;
    /// counted up to `most`.
    async fn places(&self, words: &[Wanted], most: u32) -> Result<u32, StoreError>;

    /// An event.
    async fn event(&self, seq: u64) -> Result<Option<LoggedEvent>, StoreError>;

    /// The tree.
    async fn tree(&self) -> Result<TreeState, StoreError>;

    /// The hashes of complete subtrees, in the order in which they are asked for.
    async fn hashes(&self, places: &[Place]) -> Result<Vec<Hash>, StoreError>;

    /// The newest checkpoint of this incarnation.
    async fn newest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError>;

    /// The oldest checkpoint of this incarnation with at least so many events.
    async fn checkpoint_covering(&self, size: u64) -> Result<Option<StoredCheckpoint>, StoreError>;

    /// Checkpoints, oldest first, of every incarnation: those made from one time up to another and, so that
    /// each moment between is bracketed, the one before them and the one behind. Those up to `after` are left
    /// out.
    async fn checkpoints(
        &self,
        from: UnixMillis,
        to: UnixMillis,
        after: Option<CheckpointPosition>,
        limit: u16,
    ) -> Result<Vec<StoredCheckpoint>, StoreError>;

    /// Keeps a checkpoint that was signed.
    async fn keep_checkpoint(&self, checkpoint: &StoredCheckpoint) -> Result<(), StoreError>;
}
