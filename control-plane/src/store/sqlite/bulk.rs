//! Many keys at once.

use async_trait::async_trait;
use keyward_shared::id::{KeyId, WorkspaceId};

use super::key;
use super::tx::SqliteTx;
use crate::store::{BulkTx, StoreError, StoredKey};

#[async_trait]
impl BulkTx for SqliteTx {
    async fn keys_after(
        &mut self,
        workspace: WorkspaceId,
        after: Option<KeyId>,
        limit: u16,
    ) -> Result<Vec<StoredKey>, StoreError> {
        key::after(self.conn()?, workspace, after, limit).await
    }
}
