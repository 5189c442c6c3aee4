//! What is asked of a database about a batch of keys that are brought: in sets, so that a batch costs a few
//! statements and not some for each line.

use std::collections::HashSet;

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};

use super::{StoreError, StoredKey};
use crate::domain::key::Key;
use crate::domain::member::Role;
use crate::domain::workspace::Workspace;

/// A member as far as keys that are brought ask for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The member's identifier.
    pub id: MemberId,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// What another system calls the member.
    pub external_id: Option<String>,
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// Whether keys that name no member are theirs.
    pub is_default: bool,
}

/// The name that a key has which is neither archived nor deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTaken {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The name.
    pub name: String,
    /// The key.
    pub key_id: KeyId,
}

/// A key on its way into the database, with its one secret.
pub struct NewKey {
    /// The key. It is live and in no rotation.
    pub key: Key,
    /// The digest of its secret, sealed.
    pub sealed_digest: Vec<u8>,
    /// The secret itself, sealed, where the workspace lets it be shown again.
    pub sealed_secret: Option<Vec<u8>>,
}

/// What a text names within a workspace.
pub type Named<'a> = (WorkspaceId, &'a str);

/// A batch, within a transaction.
#[async_trait]
pub trait ImportTx: Send {
    /// The workspaces with these identifiers or these slugs that are not deleted.
    async fn workspaces_named(&mut self, ids: &[WorkspaceId], slugs: &[&str]) -> Result<Vec<Workspace>, StoreError>;

    /// How many keys of each of these workspaces are neither archived nor deleted; those without any are
    /// left out.
    async fn key_counts(&mut self, workspaces: &[WorkspaceId]) -> Result<Vec<(WorkspaceId, u64)>, StoreError>;

    /// The default members of these workspaces, the members with these identifiers, and those whom other
    /// systems call so.
    async fn holders(
        &mut self,
        workspaces: &[WorkspaceId],
        ids: &[MemberId],
        external_ids: &[Named<'_>],
    ) -> Result<Vec<Holder>, StoreError>;

    /// The keys with these external ids that are not deleted.
    async fn keys_called(&mut self, external_ids: &[Named<'_>]) -> Result<Vec<StoredKey>, StoreError>;

    /// Which of these secrets were ever accepted.
    async fn secrets_known(&mut self, fingerprints: &[Fingerprint]) -> Result<HashSet<Fingerprint>, StoreError>;

    /// Which of these names keys have that are neither archived nor deleted.
    async fn names_taken(&mut self, names: &[Named<'_>]) -> Result<Vec<NameTaken>, StoreError>;

    /// Adds keys, each with its one secret.
    async fn insert_keys(&mut self, keys: &[NewKey]) -> Result<(), StoreError>;
}
