//! What is asked of a database about many keys at once.

use async_trait::async_trait;
use keyward_shared::id::{KeyId, WorkspaceId};

use super::{StoreError, StoredKey};

/// Many keys, within a transaction.
#[async_trait]
pub trait BulkTx: Send {
    /// The workspace's keys that are not deleted, in the order of their identifiers.
    async fn keys_after(
        &mut self,
        workspace: WorkspaceId,
        after: Option<KeyId>,
        limit: u16,
    ) -> Result<Vec<StoredKey>, StoreError>;
}
