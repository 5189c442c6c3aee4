//! Collecting objects that no usable head names: two hours after the last one that did has expired.
//!
//! Only the holder of the lease collects. KV forgets first, the record last, so that what is left
//! over after a crash is deleted again.

use std::sync::Arc;
use std::time::Duration;

use keyward_shared::snapshot::ObjectName;
use tokio::time::sleep;

use super::error::PublishError;
use super::kv::KvApi;
use super::source::Shared;
use crate::domain::time::UnixMillis;

/// How long after its last head has expired an object stays.
const AFTER_EXPIRY_MS: i64 = 2 * 60 * 60 * 1000;
/// Keys in one bulk deletion, of the 10,000 that the API takes.
const BATCH: u32 = 1_000;
const BETWEEN_BATCHES: Duration = Duration::from_secs(2);

pub(super) struct Collector {
    pub(super) shared: Arc<Shared>,
    pub(super) kv: Option<Arc<dyn KvApi>>,
    /// Names this process in the lease.
    pub(super) holder: String,
    pub(super) every: Duration,
}

impl Collector {
    /// Collects now and then until the publisher stops.
    pub(super) async fn run(self) {
        loop {
            sleep(self.every).await;
            match self.collect().await {
                Ok(0) => {}
                Ok(objects) => tracing::info!(objects, "old objects collected"),
                Err(error) => tracing::warn!(%error, "old objects not collected; tried again later"),
            }
        }
    }

    /// Collects all there is to collect now; says how many objects.
    async fn collect(&self) -> Result<usize, PublishError> {
        let store = &self.shared.store;
        let mut collected = 0;
        // A standby's clock may be wrong for as long as it likes, and nobody sees it.
        while !self.shared.is_halted() && store.holds_lease(&self.holder).await? {
            let before = UnixMillis::from_millis(self.shared.now().as_millis() - AFTER_EXPIRY_MS);
            let names = store.collectable(before, BATCH).await?;
            if names.is_empty() {
                break;
            }
            if let Some(kv) = &self.kv {
                let keys: Vec<_> = names.iter().map(ObjectName::kv_key).collect();
                let refused = kv.delete_bulk(&keys).await?;
                if !refused.is_empty() {
                    return Err(PublishError::PartlyRefused { refused: refused.len() });
                }
            }
            store.forget_objects(&names).await?;
            collected += names.len();
            sleep(BETWEEN_BATCHES).await;
        }
        Ok(collected)
    }
}
