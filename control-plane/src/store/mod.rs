//! What the lifecycle asks of a database, and nothing a database asks of the lifecycle.
//!
//! A [`Store`] reads; a [`Tx`] reads, writes and commits. Only the modules below this one know SQL.
//! Implementations decide nothing: rules are the domain's, and a constraint that fires here is the
//! second net.

pub mod audit;
pub mod bulk;
pub mod edges;
pub mod error;
pub mod exports;
mod identity;
pub mod import;
pub mod live;
pub mod lookup;
pub mod people;
pub mod publication;
pub mod refusals;
pub mod secrets;
pub mod sqlite;
pub mod tokens;

use async_trait::async_trait;
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, WorkspaceId};
use tokio::sync::watch;

use crate::domain::api::{Api, ApiName, Catalogue};
use crate::domain::change::{Change, Generation};
use crate::domain::key::query::KeyQuery;
use crate::domain::key::{Key, Secret};
use crate::domain::member::MemberSummary;
use crate::domain::settings::SettingsDocument;
use crate::domain::text::{Name, Slug};
use crate::domain::time::UnixMillis;
use crate::domain::usage::KeyUsage;
use crate::domain::workspace::Workspace;

pub use audit::{AuditStore, CheckpointPosition, EventQuery, Order, StoredCheckpoint, TreeState};
pub use bulk::BulkTx;
pub use edges::{
    AppliedBy, Edge, EdgePosition, EdgeStore, HeldHead, Published, Receipt, ReceiptQuery, Received, Taken, Unconfirmed,
};
pub use error::StoreError;
pub use exports::{Asker, DueExport, ExportLink, ExportStore, ExportTx, KeptExport, MailedCount, MailedExport};
pub use identity::Identity;
pub use import::{Holder, ImportTx, NameTaken, Named, NewKey};
pub use lookup::{LookupStore, LookupView};
pub use people::{MemberQuery, PeoplePosition, PeopleStore, PeopleTx, TeamQuery};
pub use refusals::{MostRefused, RefusalSample, Refused, RefusedBy, RefusedQuery, Who};
pub use secrets::SecretTx;
pub use tokens::{TokenPosition, TokenSet, TokenStore, TokenTx};

/// A key with what an answer says of its member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The key.
    pub key: Key,
    /// The member it belongs to.
    pub member: MemberSummary,
    /// How it is used, as far as edges reported.
    pub usage: KeyUsage,
}

/// A secret on its way into the database.
pub struct NewSecret<'a> {
    /// The key it belongs to.
    pub key_id: KeyId,
    /// The secret.
    pub secret: &'a Secret,
    /// Its digest, sealed.
    pub sealed_digest: &'a [u8],
    /// The secret itself, sealed, where the workspace lets it be shown again.
    pub sealed_secret: Option<&'a [u8]>,
}

/// What another key has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clash {
    /// The name: another key of the workspace, neither archived nor deleted, has it.
    pub name: bool,
    /// The secret: it was accepted once, here or in another workspace.
    pub secret: bool,
}

/// A place in the list of workspaces: behind the one made at this time with this identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkspacePosition {
    /// When it was made.
    pub created_at: UnixMillis,
    /// Its identifier.
    pub id: WorkspaceId,
}

/// The answer of an idempotent call, sealed, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Which call: made of token and `Idempotency-Key`.
    pub id: [u8; 32],
    /// SHA-256 of the request.
    pub request_hash: [u8; 32],
    /// The answer, sealed under a key that only the `Idempotency-Key` opens.
    pub sealed: Vec<u8>,
    /// When it was given.
    pub created_at: UnixMillis,
    /// From when it is forgotten.
    pub expires_at: UnixMillis,
}

/// The database, for reading and for beginning a transaction. What is read of one subject only is in
/// that subject's own trait.
#[async_trait]
pub trait Store: PeopleStore + TokenStore + LookupStore + AuditStore + ExportStore + EdgeStore + Send + Sync {
    /// Begins a transaction and takes the lock that orders generations; it is held until all of it is
    /// written or dropped. Dropped without a commit it leaves nothing. It sees what those before it
    /// wrote, durable or not; if that is lost, so is this one.
    async fn begin(&self) -> Result<Box<dyn Tx>, StoreError>;

    /// The same, with all that was written before it made durable first: for one that takes long, so
    /// that nobody's change waits for its end.
    async fn begin_apart(&self) -> Result<Box<dyn Tx>, StoreError>;

    /// The newest generation that this process committed; changes when one commits. What another
    /// process commits does not show here.
    fn committed(&self) -> watch::Receiver<Generation>;

    /// Whether the database takes changes now, without waiting long for it.
    async fn ready(&self) -> Result<(), StoreError>;

    /// The newest generation that is committed.
    async fn generation(&self) -> Result<Generation, StoreError>;

    /// A workspace that is not deleted.
    async fn workspace(&self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError>;

    /// Workspaces that are not deleted, newest first.
    async fn workspaces(&self, after: Option<WorkspacePosition>, limit: u16) -> Result<Vec<Workspace>, StoreError>;

    /// A key of that workspace that is not deleted.
    async fn key(&self, workspace: WorkspaceId, id: KeyId) -> Result<Option<StoredKey>, StoreError>;

    /// One page of a workspace's keys.
    async fn keys(&self, query: &KeyQuery) -> Result<Vec<StoredKey>, StoreError>;

    /// The APIs there are.
    async fn catalogue(&self) -> Result<Catalogue, StoreError>;

    /// The deployment's settings.
    async fn settings(&self) -> Result<SettingsDocument, StoreError>;

    /// Drops the answers that are to be forgotten at `now`; says how many.
    async fn forget_answers(&self, now: UnixMillis) -> Result<u64, StoreError>;

    /// Erases the sealed secrets whose grace period is over at `now`; says how many.
    async fn forget_secrets(&self, now: UnixMillis) -> Result<u64, StoreError>;
}

/// How much went with a workspace, keys left aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Members.
    pub members: u64,
    /// Teams.
    pub teams: u64,
    /// Tokens that were not revoked before.
    pub tokens: u64,
}

/// A transaction that writes. One runs at a time. What it does for one subject only is in that
/// subject's own trait.
#[async_trait]
pub trait Tx: PeopleTx + TokenTx + SecretTx + ImportTx + BulkTx + ExportTx + Send {
    /// The generation that this transaction commits as.
    fn generation(&self) -> Generation;

    /// A workspace that is not deleted.
    async fn workspace(&mut self, id: WorkspaceId) -> Result<Option<Workspace>, StoreError>;

    /// Whether a workspace other than `except` has the slug.
    async fn slug_taken(&mut self, slug: &Slug, except: Option<WorkspaceId>) -> Result<bool, StoreError>;

    /// Adds a workspace.
    async fn insert_workspace(&mut self, workspace: &Workspace) -> Result<(), StoreError>;

    /// Replaces a workspace.
    async fn update_workspace(&mut self, workspace: &Workspace) -> Result<(), StoreError>;

    /// Deletes a workspace with its members, their tokens, its teams, its keys and their secrets.
    async fn delete_workspace(&mut self, id: WorkspaceId, at: UnixMillis) -> Result<Deleted, StoreError>;

    /// A key of that workspace that is not deleted.
    async fn key(&mut self, workspace: WorkspaceId, id: KeyId) -> Result<Option<StoredKey>, StoreError>;

    /// How many keys of the workspace are neither archived nor deleted.
    async fn key_count(&mut self, workspace: WorkspaceId) -> Result<u64, StoreError>;

    /// What a new key would have that another one has already.
    async fn clash(
        &mut self,
        workspace: WorkspaceId,
        name: &Name,
        fingerprint: &Fingerprint,
    ) -> Result<Clash, StoreError>;

    /// Whether a key of the workspace other than `except`, neither archived nor deleted, has the name.
    async fn key_name_taken(
        &mut self,
        workspace: WorkspaceId,
        name: &Name,
        except: Option<KeyId>,
    ) -> Result<bool, StoreError>;

    /// Adds a key and its first secret.
    async fn insert_key(&mut self, key: &Key, secret: NewSecret<'_>) -> Result<(), StoreError>;

    /// Replaces a key and says which of its secrets are final from `at` on: all that it no longer
    /// names.
    async fn update_key(&mut self, key: &Key, at: UnixMillis) -> Result<(), StoreError>;

    /// The APIs there are.
    async fn catalogue(&mut self) -> Result<Catalogue, StoreError>;

    /// Takes the next number for an API, or `None` when all were given.
    async fn take_api_number(&mut self) -> Result<Option<u16>, StoreError>;

    /// Adds an API.
    async fn insert_api(&mut self, api: &Api) -> Result<(), StoreError>;

    /// Replaces an API.
    async fn update_api(&mut self, api: &Api) -> Result<(), StoreError>;

    /// Deletes an API.
    async fn delete_api(&mut self, name: &ApiName, at: UnixMillis) -> Result<(), StoreError>;

    /// The deployment's settings.
    async fn settings(&mut self) -> Result<SettingsDocument, StoreError>;

    /// Replaces the deployment's settings.
    async fn update_settings(&mut self, settings: &SettingsDocument) -> Result<(), StoreError>;

    /// The answer kept for a call, unless it is to be forgotten at `now`. What it tells is durable.
    /// Asked before anything else of a transaction, which may be another generation's afterwards.
    async fn kept_answer(&mut self, id: &[u8; 32], now: UnixMillis) -> Result<Option<KeptAnswer>, StoreError>;

    /// Undoes the transaction. Comes back when all that it saw is durable, so that a refusal that rests
    /// on it is true whatever happens next.
    async fn abandon(self: Box<Self>) -> Result<(), StoreError>;

    /// Commits the transaction's rows together with the change's events, what it touched, its
    /// generation and the answer to be kept: all of it durably, or nothing.
    async fn commit(self: Box<Self>, change: Change, answer: Option<KeptAnswer>) -> Result<Generation, StoreError>;
}
