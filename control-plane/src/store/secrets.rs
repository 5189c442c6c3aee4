//! What is asked of a database about keys' secrets. It has their fingerprints, and what was sealed.

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, WorkspaceId};

use super::{NewSecret, StoreError};
use crate::domain::time::UnixMillis;

/// Secrets, within a transaction.
#[async_trait]
pub trait SecretTx: Send {
    /// Whether a secret with this fingerprint was ever accepted.
    async fn secret_known(&mut self, fingerprint: &Fingerprint) -> Result<bool, StoreError>;

    /// Adds a secret to a key that is there; [`Tx::update_key`](super::Tx::update_key) then gives it its place.
    async fn insert_secret(&mut self, secret: NewSecret<'_>) -> Result<(), StoreError>;

    /// The secret itself as it was sealed, where it is kept.
    async fn sealed_secret(&mut self, fingerprint: &Fingerprint) -> Result<Option<Vec<u8>>, StoreError>;

    /// Erases every sealed secret of the workspace; says how many there were.
    async fn erase_sealed_secrets(&mut self, workspace: WorkspaceId) -> Result<u64, StoreError>;

    /// The fingerprints of the workspace's secrets that are not final.
    async fn live_fingerprints(&mut self, workspace: WorkspaceId) -> Result<Vec<Fingerprint>, StoreError>;

    /// Forgets since when the key's secrets were refused for its status, which changed at `at`.
    async fn forget_denials(&mut self, key: KeyId, at: UnixMillis) -> Result<(), StoreError>;

    /// The same of every key of a workspace, whose status changed.
    async fn forget_denials_in(&mut self, workspace: WorkspaceId, at: UnixMillis) -> Result<(), StoreError>;
}
