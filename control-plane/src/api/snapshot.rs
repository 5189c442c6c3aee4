//! What the API asks of the publisher: bytes for the http lane, and how publishing stands.
//!
//! The API hands the bytes on as they are; it never decodes a snapshot.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::time::UnixMillis;

/// The newest signed head as it is served.
#[derive(Debug)]
pub struct HeadBytes {
    /// The head.
    pub bytes: Vec<u8>,
    /// Its strong entity tag, quotes included.
    pub etag: String,
}

/// How publishing stands. The members are the contract's, `GET /v1/snapshot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SnapshotStatus {
    /// The newest committed generation.
    pub generation: u64,
    /// The generation of the newest published head.
    pub published_generation: u64,
    /// When that head was published.
    #[schema(required)]
    pub published_at: Option<UnixMillis>,
    /// The generation up to which everything is in the tree.
    pub tree_generation: u64,
    /// Objects of the present tree.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why the newest generation is not published yet, in words that hold no secret.
    #[schema(required)]
    pub last_error: Option<String>,
}

/// The publisher cannot answer now; the details are in the log.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot cannot be read: {0}")]
pub struct SnapshotError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The publisher as the API sees it.
#[async_trait]
pub trait SnapshotSource: Send + Sync {
    /// The newest head; `None` before the first one.
    async fn head(&self) -> Option<Arc<HeadBytes>>;

    /// The object of this name; `None` when there is none.
    async fn object(&self, name: &str) -> Result<Option<Vec<u8>>, SnapshotError>;

    /// Why nothing more is published until an operator has decided; `None` while publishing goes on.
    fn halted(&self) -> Option<String>;

    /// How publishing stands.
    async fn status(&self) -> Result<SnapshotStatus, SnapshotError>;
}
