//! What is asked of a database about a secret that somebody holds, whatever became of its key.

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::policy::Policy;
use keyward_shared::record::{Record, Slot};

use super::{StoreError, StoredKey};
use crate::domain::api::{ApiName, Catalogue};
use crate::domain::settings::SettingsDocument;
use crate::domain::time::UnixMillis;
use crate::domain::usage::UsageBounds;

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

/// What a request was about, as far as the audit log is to tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct About<'a> {
    /// The key and its workspace.
    pub key: Option<(KeyId, WorkspaceId)>,
    /// The API that the path belongs to.
    pub api: Option<&'a ApiName>,
    /// Whether the deployment's settings are told of.
    pub settings: bool,
}

/// Secrets and their keys, read.
#[async_trait]
pub trait LookupStore: Send + Sync {
    /// One moment of all that an answer about a secret rests on.
    async fn look(&self) -> Result<Box<dyn LookupView>, StoreError>;
}

/// One moment of the database: what is committed later does not show in it.
#[async_trait]
pub trait LookupView: Send {
    /// The APIs there are.
    async fn catalogue(&mut self) -> Result<Catalogue, StoreError>;

    /// The deployment's settings.
    async fn settings(&mut self) -> Result<SettingsDocument, StoreError>;

    /// A key of that workspace that is not deleted.
    async fn key(&mut self, workspace: WorkspaceId, id: KeyId) -> Result<Option<StoredKey>, StoreError>;

    /// Whose secret has or had this fingerprint.
    async fn secret_owner(&mut self, fingerprint: &Fingerprint) -> Result<Option<SecretOwner>, StoreError>;

    /// What a snapshot of this moment says of a secret; nothing of one that is final.
    async fn live_secret(&mut self, fingerprint: &Fingerprint) -> Result<Option<(Record, Policy)>, StoreError>;

    /// What all reports together tell of usage; none before the first.
    async fn usage_bounds(&mut self, now: UnixMillis) -> Result<Option<UsageBounds>, StoreError>;

    /// What was done last to a key, and of what was done to its workspace that which keys feel, `most` of
    /// each; and the last thing that was done to the API and to the settings. Newest first.
    async fn events_about(&mut self, about: About<'_>, most: u16) -> Result<Vec<PastEvent>, StoreError>;
}
