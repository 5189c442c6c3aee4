//! What is asked of a database about many keys at once.

use async_trait::async_trait;
use keyward_shared::id::{KeyId, WorkspaceId};

use super::{StoreError, StoredKey};
use crate::domain::key::query::KeyQuery;

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

    /// Those of these keys that the workspace has and that are not deleted, in no order.
    async fn keys_by_ids(&mut self, workspace: WorkspaceId, ids: &[KeyId]) -> Result<Vec<StoredKey>, StoreError>;

    /// One page of a workspace's keys.
    async fn keys_page(&mut self, query: &KeyQuery) -> Result<Vec<StoredKey>, StoreError>;
}
