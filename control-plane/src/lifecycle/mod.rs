//! The use cases, one verb a file: what can be done to keys, workspaces, APIs, settings and tokens.
//!
//! A verb judges its input, asks the domain, and hands back its answer with a [`Change`];
//! [`Lifecycle::run`] commits both together. Time and random bytes come in with the [`Context`].
//! Nothing here knows HTTP or SQL.

pub mod context;
pub mod cursor;
pub mod idempotency;
pub mod last_signed;
pub mod notary;
pub mod refusal;
pub mod rights;
mod run;
pub mod vault;

mod authenticate;
mod exporting;
mod key_input;
mod key_support;
mod mailed_exports;
mod member_support;
mod shown;
mod view;

mod archive_key;
mod audit_proof;
mod bulk_keys;
mod cancel_rotation;
mod create_key;
mod create_member;
mod create_member_token;
mod create_team;
mod create_token;
mod create_workspace;
mod delete_api;
mod delete_key;
mod delete_team;
mod delete_workspace;
mod disable_key;
mod enable_key;
mod explain;
mod export_audit;
mod extend_rotation;
mod finish_rotation;
mod get_generation;
mod import_batch;
mod import_line;
mod list_apis;
mod list_checkpoints;
mod list_edges;
mod list_events;
mod list_keys;
mod list_members;
mod list_refused;
mod list_teams;
mod list_tokens;
mod list_workspaces;
mod lookup;
mod mail_export;
mod offboarding;
mod patch_key;
mod patch_member;
mod patch_settings;
mod patch_team;
mod patch_workspace;
mod pause_rotation;
mod put_api;
mod read;
mod register_token;
mod remove_member;
mod resume_rotation;
mod reveal_key;
mod revoke_member_token;
mod revoke_member_tokens;
mod revoke_token;
mod rotate_key;
mod sign_ins;
mod take_report;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::change::Change;
use crate::domain::usage::Reported;
use crate::store::{Store, Tx};
use notary::Notary;

pub use crate::store::{ExportLink, KeptExport, MailedExport};
pub use archive_key::ArchiveKey;
pub use audit_proof::{ConsistencyProof, InclusionProof, ProvenTree};
pub use authenticate::Authenticated;
pub use bulk_keys::{BulkAction, BulkDone, BulkKey, BulkKeys, BulkOutcome, BulkTarget};
pub use cancel_rotation::CancelRotation;
pub use context::{Context, Entropy, IfMatch, PlanDigest, Seen};
pub use create_key::{CreateKey, CreatedKey, KeySource};
pub use create_member::{CreateMember, MemberFields};
pub use create_member_token::CreateMemberToken;
pub use create_team::{CreateTeam, TeamRef};
pub use create_token::{CreateToken, CreatedToken};
pub use create_workspace::CreateWorkspace;
pub use cursor::{Listed, Page};
pub use delete_api::DeleteApi;
pub use delete_key::DeleteKey;
pub use delete_team::DeleteTeam;
pub use delete_workspace::DeleteWorkspace;
pub use disable_key::DisableKey;
pub use enable_key::EnableKey;
pub use explain::{Asked, Explanation, PastEvent, Told, Verdict};
pub use export_audit::{AuditExport, ExportScope};
pub use exporting::ExportPlace;
pub use extend_rotation::{ExtendRotation, ExtendTo};
pub use finish_rotation::FinishRotation;
pub use get_generation::GenerationReceipt;
pub use idempotency::{IdempotentCall, StoredAnswer};
pub use import_batch::{ImportBatch, ImportedBatch, ImportedLine};
pub use import_line::{ImportFields, ImportLine, ImportedSecret, LineEntropy};
pub use key_input::{KeyFields, KeyPatch};
pub use key_support::KeyRef;
pub use list_checkpoints::StoredCheckpoint;
pub use list_edges::Edge;
pub use list_keys::KeyListInput;
pub use list_members::MemberListInput;
pub use list_refused::{Refused, RefusedBy, RefusedInput, RefusedPage, SecretOwner, Who};
pub use list_teams::TeamListInput;
pub use lookup::{Found, FoundKey, LookupBy, SecretSlot};
pub use mail_export::MailExport;
pub use mailed_exports::LinkedFile;
pub use member_support::MemberRef;
pub use offboarding::{Plan, PlannedKey, Reassign};
pub use patch_key::PatchKey;
pub use patch_member::{ChangedMember, MemberPatch, PatchMember};
pub use patch_settings::PatchSettings;
pub use patch_team::PatchTeam;
pub use patch_workspace::{PatchWorkspace, WorkspaceFields};
pub use pause_rotation::PauseRotation;
pub use put_api::{PutApi, PutApiOutcome};
pub use refusal::{Missing, Refusal};
pub use register_token::RegisterToken;
pub use remove_member::RemoveMember;
pub use resume_rotation::ResumeRotation;
pub use reveal_key::{RevealKey, RevealedKey};
pub use revoke_member_token::RevokeMemberToken;
pub use revoke_member_tokens::RevokeMemberTokens;
pub use revoke_token::RevokeToken;
pub use rights::{Needs, Rights};
pub use rotate_key::{RotateKey, RotatedKey};
pub use run::Done;
pub use shown::Shown;
pub use sign_ins::RefusedSignIns;
pub use take_report::{Received, Taken};
pub use usage::QUIET;
pub use vault::Vault;
pub use view::{KeyView, RotationView};

/// The use cases over one database and one vault. Cheap to clone.
#[derive(Clone)]
pub struct Lifecycle {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    running: idempotency::Running,
    exporting: exporting::Exporting,
    usage: usage::Usage,
    crowd: take_report::Crowd,
    /// Who signs how the audit log stands; nobody where it is only written.
    notary: Option<Arc<Notary>>,
}

impl Lifecycle {
    /// The use cases over this database and this vault.
    pub fn new(store: Arc<dyn Store>, vault: Arc<Vault>) -> Self {
        Self {
            store,
            vault,
            running: idempotency::Running::default(),
            exporting: exporting::Exporting::default(),
            usage: usage::Usage::default(),
            crowd: take_report::Crowd::default(),
            notary: None,
        }
    }

    /// The same with another time for which a secret must rest before nobody is said to miss it.
    #[must_use]
    pub fn with_quiet_time(mut self, quiet: Duration) -> Self {
        self.usage = usage::Usage::quiet_for(quiet);
        self
    }

    /// The same with somebody who signs the audit log.
    #[must_use]
    pub fn with_notary(mut self, notary: Arc<Notary>) -> Self {
        self.notary = Some(notary);
        self
    }
}

/// What a verb is called with beside its own input.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Who, when, why, and with which random bytes.
    pub context: &'a Context,
    /// Pepper and key-encryption keys.
    pub vault: &'a Vault,
    /// What whoever acts may do.
    pub rights: &'a Rights,
    /// What was reported of usage.
    pub reported: Reported,
}

/// A mutation: input that has become ready to be applied once.
#[async_trait]
pub trait Verb: Send {
    /// What it answers.
    type Answer: Send;

    /// What whoever does it must be allowed to. It is asked before a verb is applied, and again before
    /// an earlier answer of it is given out.
    fn needs(&self) -> Needs;

    /// Whose secret an answer of it holds, for verbs that show one: asked again, of whoever asks then,
    /// before an earlier answer is given out.
    fn shows(_answer: &Self::Answer) -> Option<Shown> {
        None
    }

    /// Whether it is told to the audit log each time that an earlier answer of it is given out again.
    fn is_told_again(&self) -> bool {
        false
    }

    /// Whether it may touch any number of rows, and so keep others waiting.
    fn is_bulk(&self) -> bool {
        false
    }

    /// Applies it within the transaction. Nothing is committed here: a refusal leaves no trace.
    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(Self::Answer, Change), Refusal>;
}
