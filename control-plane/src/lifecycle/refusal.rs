//! Why a use case did not happen. Each refusal carries the facts an answer may need; none of them
//! holds a secret.

mod export;
mod import;
mod lookup;
mod people;
mod reveal;
mod tokens;

use crate::domain::api::{RouteConflict, RoutesRefused};
use crate::domain::audit::NotCanonical;
use crate::domain::invalid::Invalid;
use crate::domain::key::transition::KeyRefusal;
use crate::domain::permission::Permission;
use crate::lifecycle::notary::NotaryError;
use crate::lifecycle::vault::VaultError;
use crate::store::StoreError;

pub use export::ExportRefusal;
pub use import::ImportRefusal;
pub use lookup::LookupRefusal;
pub use people::PeopleRefusal;
pub use reveal::RevealRefusal;
pub use tokens::TokenRefusal;

/// What was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    /// No such workspace.
    Workspace,
    /// No such key in that workspace.
    Key,
    /// No such member of that workspace.
    Member,
    /// No such team of that workspace.
    Team,
    /// No such API.
    Api,
    /// No such token.
    Token,
    /// No such event of the audit log.
    Event,
    /// No such export of the audit log.
    Export,
    /// No checkpoint of the audit log yet.
    Checkpoint,
    /// No such generation, or none that is kept.
    Generation,
}

impl Missing {
    /// The thing's name in a sentence.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Key => "key",
            Self::Member => "member",
            Self::Team => "team",
            Self::Api => "API",
            Self::Token => "token",
            Self::Event => "event",
            Self::Export => "export",
            Self::Checkpoint => "checkpoint",
            Self::Generation => "generation",
        }
    }
}

/// Why a use case did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A value is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The thing it is about does not exist, or not for this actor.
    #[error("there is no such {}", .0.noun())]
    NotFound(Missing),
    /// Whoever acts sees what it is about and may not do this.
    #[error("this token does not allow to {}", .0.words())]
    Forbidden(Permission),
    /// Whoever acts is nobody any more: a member that was removed in the meantime.
    #[error("nobody acts here")]
    Unauthenticated,
    /// The thing is not in the state that the actor has seen.
    #[error("the precondition failed: the current version is {version}")]
    PreconditionFailed {
        /// The version it is in; 0 when it does not exist.
        version: u64,
    },
    /// The state of the key does not allow it.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// It is about members or teams.
    #[error(transparent)]
    People(#[from] PeopleRefusal),
    /// It is about a member's tokens.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    /// It is about a line of an import.
    #[error(transparent)]
    Import(#[from] ImportRefusal),
    /// It is about showing a secret again.
    #[error(transparent)]
    Reveal(#[from] RevealRefusal),
    /// It is about a secret or a request that somebody wants to know of.
    #[error(transparent)]
    Lookup(#[from] LookupRefusal),
    /// It is about an export of the audit log.
    #[error(transparent)]
    Export(#[from] ExportRefusal),
    /// Another live key of the workspace has the name.
    #[error("a key of this workspace has the name already")]
    NameTaken,
    /// Another workspace has the slug.
    #[error("a workspace has the slug already")]
    SlugTaken,
    /// Its member may have no key with this access, so nobody starts it or gives it a new secret.
    #[error("the key may do more than its member's: lower its access, or give it to another member")]
    AboveMember,
    /// The workspace has as many keys as it may.
    #[error("the workspace has {max} keys, as many as it may")]
    KeyLimit {
        /// How many it may have.
        max: u32,
    },
    /// The secret was accepted before, somewhere in the deployment.
    #[error("this secret is or was in use already")]
    SecretExists,
    /// The token is registered already.
    #[error("this token is registered already")]
    TokenExists,
    /// The workspace must be suspended first.
    #[error("the workspace is active; suspend it first")]
    NotSuspended,
    /// Another API has one of the routes.
    #[error(transparent)]
    RouteConflict(#[from] RouteConflict),
    /// Every number for an API was given.
    #[error("every number for an API was given; numbers are never used again")]
    ApiNumbersExhausted,
    /// The `Idempotency-Key` was used with another request.
    #[error("the idempotency key belongs to another request")]
    IdempotencyMismatch,
    /// A request with the `Idempotency-Key` still runs.
    #[error("a request with this idempotency key still runs")]
    IdempotencyRunning,
    /// The cursor is not one that this list gave.
    #[error("the cursor does not belong to this list")]
    BadCursor,
    /// The database did not do it. Nothing changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit log is not signed as it is: a fault of ours, or of whoever changed it.
    #[error(transparent)]
    Notary(#[from] NotaryError),
    /// Something that was sealed can't be opened, or the reverse: a fault of ours.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An event without canonical form: a fault of ours.
    #[error(transparent)]
    Audit(#[from] NotCanonical),
    /// The random bytes did not make a key: draw again.
    #[error("the random bytes make no key")]
    Entropy,
}

impl Refusal {
    /// Whether the database was away: nothing changed, and the same call may succeed later.
    pub const fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Store(StoreError::Unavailable(_)) | Self::Notary(NotaryError::Store(StoreError::Unavailable(_)))
        )
    }
}

impl From<RoutesRefused> for Refusal {
    fn from(refused: RoutesRefused) -> Self {
        match refused {
            RoutesRefused::Invalid(invalid) => Self::Invalid(invalid),
            RoutesRefused::Conflict(conflict) => Self::RouteConflict(conflict),
        }
    }
}
