//! What is asked of a database about exports of the audit log that go by mail.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, TokenId, WorkspaceId};

use super::StoreError;
use crate::domain::audit::export::Format;
use crate::domain::audit::filter::EventFilter;
use crate::domain::audit::search::Wanted;
use crate::domain::text::Email;
use crate::domain::time::UnixMillis;
use crate::domain::token::TokenHash;

/// Who asked for an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asker {
    /// By which token; none is Keyward itself, or somebody who needed none.
    pub token: Option<TokenId>,
    /// As which member.
    pub member: Option<MemberId>,
    /// For which member.
    pub on_behalf_of: Option<MemberId>,
}

/// How many exports are on their way, or can be fetched: of everybody's where they are asked for by somebody who
/// sees all of the log, else of workspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailedCount {
    /// Those of the same workspace.
    pub own: u64,
    /// Those of all workspaces.
    pub all: u64,
    /// Those that the same workspace asked for within a day, whatever became of them.
    pub of_day: u64,
}

/// An export whose file is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptExport {
    /// Its identifier.
    pub id: String,
    /// The only workspace that whoever asked sees; none for one who sees all of the log.
    pub sees: Option<WorkspaceId>,
}

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
    /// Who asked.
    pub asked_by: Asker,
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
    /// How many are on their way, or can be fetched at `now`, of this workspace, or of those who see all, and how many
    /// were asked for after `then`.
    async fn mailed_exports(
        &mut self,
        sees: Option<WorkspaceId>,
        now: UnixMillis,
        then: UnixMillis,
    ) -> Result<MailedCount, StoreError>;

    /// In how many places of the log words stand that begin as those do of which only the beginning is given;
    /// counted up to `most`.
    async fn places(&mut self, words: &[Wanted], most: u32) -> Result<u32, StoreError>;

    /// Adds one, which is to be sent at once.
    async fn insert_mailed_export(&mut self, export: &MailedExport) -> Result<(), StoreError>;
}

/// Exports by mail.
#[async_trait]
pub trait ExportStore: Send + Sync {
    /// One that is to be sent at `now`: an operator's, else one of the workspace that had the fewest of late, the one
    /// that waits longest.
    async fn due_export(&self, now: UnixMillis) -> Result<Option<DueExport>, StoreError>;

    /// Counts that it is tried, and where nothing else is noted of it is to be again at `due_at`.
    async fn try_export(&self, id: &str, due_at: UnixMillis) -> Result<(), StoreError>;

    /// Whether a member of the workspace has this address.
    async fn is_of_workspace(&self, workspace: WorkspaceId, email: &Email) -> Result<bool, StoreError>;

    /// Lets it be fetched.
    async fn link_export(&self, id: &str, link: &ExportLink) -> Result<(), StoreError>;

    /// Notes that it is to be sent at `due_at`.
    async fn postpone_export(&self, id: &str, due_at: UnixMillis) -> Result<(), StoreError>;

    /// Notes that it was sent, and is fetched from now on.
    async fn settle_export(&self, id: &str) -> Result<(), StoreError>;

    /// Ends it: it was sent with all that it is, or never will be.
    async fn drop_export(&self, id: &str) -> Result<(), StoreError>;

    /// An export that was asked for, with its link where it has one.
    async fn linked_export(&self, id: &str) -> Result<Option<(MailedExport, ExportLink)>, StoreError>;

    /// Forgets those whose link ended before `ended`, and those without one that were asked for before `asked`.
    async fn forget_exports(&self, ended: UnixMillis, asked: UnixMillis) -> Result<u64, StoreError>;

    /// Those whose file is needed at `now`.
    async fn kept_exports(&self, now: UnixMillis) -> Result<Vec<KeptExport>, StoreError>;
}
