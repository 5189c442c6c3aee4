//! Many keys at once.

use async_trait::async_trait;
use keyward_shared::id::{KeyId, WorkspaceId};

use super::tx::SqliteTx;
use super::{key, key_page};
use crate::domain::key::query::KeyQuery;
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

    async fn keys_by_ids(&mut self, workspace: WorkspaceId, ids: &[KeyId]) -> Result<Vec<StoredKey>, StoreError> {
        key::by_ids(self.conn()?, workspace, ids).await
    }

    async fn keys_page(&mut self, query: &KeyQuery) -> Result<Vec<StoredKey>, StoreError> {
        key_page::page(self.conn()?, query).await
    }
}
