//! Whether Workers KV tells the same history as this database.
//!
//! A head is recorded before it is written. So a head of ours in KV that stands above everything that
//! is on record was written by a later state of this database than the one it now has: it was restored
//! from a backup, and what was revoked since would be granted again. What was recorded while KV could
//! not be read does not count: a restored database would soon stand above KV's head by that alone.

use keyward_shared::snapshot::MAX_HEAD_BYTES;

use super::error::PublishError;
use super::kv::{KvApi, KvError};
use super::source::Shared;
use super::upload::HEAD_KEY;

/// Reads the head that KV holds and notes that it was compared, unless it stands above the record. The
/// record is read last: whoever else publishes has compared, and recorded, before writing what was read.
pub(super) async fn compare(kv: &dyn KvApi, shared: &Shared) -> Result<(), PublishError> {
    let tenure = shared.tenure();
    match kv.get(HEAD_KEY, MAX_HEAD_BYTES).await {
        Ok(None) => {}
        Ok(Some(bytes)) => match shared.signer.read(&bytes) {
            Ok(head) => {
                let recorded = shared.store.recorded_head().await?;
                if Some(head.order()) > recorded.and_then(|recorded| recorded.compared) {
                    return Err(PublishError::AheadOfRecord(head.order()));
                }
            }
            Err(error) => tracing::warn!(%error, "Workers KV holds a head that is not ours; it is written over"),
        },
        Err(error @ KvError::TooLarge { .. }) => {
            tracing::warn!(%error, "what Workers KV holds is no head; it is written over");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(shared.note_compared(tenure).await?)
}
