//! What is asked of a database about the audit log: its events, the tree over them, and what was signed of it.

use async_trait::async_trait;
use tokio::sync::watch;

use super::StoreError;
use crate::domain::audit::merkle::{Edge, Hash, Place};
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

/// The audit log.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds events that change nothing else: no generation is taken. They are durable when it comes back,
    /// with the number of the last.
    async fn tell(&self, events: Vec<AuditEvent>) -> Result<u64, StoreError>;

    /// The number of the newest event that this process made durable; changes when one is.
    fn logged(&self) -> watch::Receiver<u64>;

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

    /// Keeps a checkpoint that was signed.
    async fn keep_checkpoint(&self, checkpoint: &StoredCheckpoint) -> Result<(), StoreError>;
}
