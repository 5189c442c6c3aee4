//! What is asked of a database about exports of the audit log that go by mail.

use async_trait::async_trait;
use keyward_shared::id::WorkspaceId;

use super::StoreError;
use crate::domain::audit::export::Format;
use crate::domain::audit::filter::EventFilter;
use crate::domain::text::Email;
use crate::domain::time::UnixMillis;
use crate::domain::token::TokenHash;

/// An export that goes by mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailedExport {
    /// Its identifier: hexadecimal digits.
    pub id: String,
    /// To whom.
    pub recipient: Email,
    /// How it is written.
    pub format: Format,
    /// What is asked for.
    pub filter: EventFilter,
    /// The only workspace that whoever asked sees; none for one who sees all of the log.
    pub sees: Option<WorkspaceId>,
    /// When it was asked for.
    pub created_at: UnixMillis,
    /// How often it was tried, as far as is known in vain.
    pub failures: u32,
}

/// An export that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DueExport {
    /// This one.
    Readable(Box<MailedExport>),
    /// One with this identifier, of which the rest cannot be read.
    Unreadable(String),
}

/// Where an export is fetched that is too large for a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportLink {
    /// The hash of what opens it.
    pub secret: TokenHash,
    /// What the file is called.
    pub file_name: String,
    /// Until when.
    pub expires_at: UnixMillis,
}

/// Exports by mail, within a transaction.
#[async_trait]
pub trait ExportTx: Send {
    /// How many are on their way, or can be fetched at `now`.
    async fn mailed_exports(&mut self, now: UnixMillis) -> Result<u64, StoreError>;

    /// Adds one, which is to be sent at once.
    async fn insert_mailed_export(&mut self, export: &MailedExport) -> Result<(), StoreError>;
}

/// Exports by mail.
#[async_trait]
pub trait ExportStore: Send + Sync {
    /// One that is to be sent at `now`, the one that waits longest.
    async fn due_export(&self, now: UnixMillis) -> Result<Option<DueExport>, StoreError>;

    /// Counts that it is tried, and where nothing else is noted of it is to be again at `due_at`.
    async fn try_export(&self, id: &str, due_at: UnixMillis) -> Result<(), StoreError>;

    /// Lets it be fetched.
    async fn link_export(&self, id: &str, link: &ExportLink) -> Result<(), StoreError>;

    /// Notes that it is to be sent at `due_at`.
    async fn postpone_export(&self, id: &str, due_at: UnixMillis) -> Result<(), StoreError>;

    /// Notes that it was sent, and is fetched from now on.
    async fn settle_export(&self, id: &str) -> Result<(), StoreError>;

    /// Forgets it: it was sent with all that it is, or never will be.
    async fn drop_export(&self, id: &str) -> Result<(), StoreError>;

    /// An export that was asked for, with its link where it has one.
    async fn linked_export(&self, id: &str) -> Result<Option<(MailedExport, ExportLink)>, StoreError>;

    /// Forgets those whose link ended before `then`.
    async fn forget_exports(&self, then: UnixMillis) -> Result<u64, StoreError>;

    /// Those whose file is needed at `now`.
    async fn kept_exports(&self, now: UnixMillis) -> Result<Vec<String>, StoreError>;
}
