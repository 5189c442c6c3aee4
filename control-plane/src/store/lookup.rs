//! What is asked of a database about a secret that somebody holds, whatever became of its key.

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::policy::Policy;
use keyward_shared::record::{Record, Slot};

use super::StoreError;
use crate::domain::time::UnixMillis;

/// Whose secret it is or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretOwner {
    /// The key's workspace.
    pub workspace_id: WorkspaceId,
    /// The key.
    pub key_id: KeyId,
    /// The key's name, or the one that it had.
    pub key_name: String,
    /// Its place among the key's secrets; none for one that is final.
    pub slot: Option<Slot>,
}

/// A line of the audit log, as far as it tells why a key is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEvent {
    /// Its number.
    pub seq: u64,
    /// When.
    pub at: UnixMillis,
    /// What kind of principal did it.
    pub actor_kind: String,
    /// Who.
    pub actor_id: Option<String>,
    /// Who, by name.
    pub actor_name: String,
    /// For whom.
    pub on_behalf_of: Option<String>,
    /// What, in the field's words.
    pub action: String,
    /// To what kind of thing.
    pub entity: String,
    /// What, as the API names it.
    pub operation: Option<String>,
    /// Why, as the actor said.
    pub reason: Option<String>,
    /// The generation that carries it.
    pub generation: u64,
}

/// A secret's key, read.
#[async_trait]
pub trait LookupStore: Send + Sync {
    /// Whose secret has or had this fingerprint.
    async fn secret_owner(&self, fingerprint: &Fingerprint) -> Result<Option<SecretOwner>, StoreError>;

    /// What a snapshot of this moment says of a secret; nothing of one that is final.
    async fn live_secret(&self, fingerprint: &Fingerprint) -> Result<Option<(Record, Policy)>, StoreError>;

    /// What was done last to a key, and of what was done to its workspace that which keys feel; newest
    /// first.
    async fn events_about(&self, key: KeyId, workspace: WorkspaceId, most: u16) -> Result<Vec<PastEvent>, StoreError>;
}
