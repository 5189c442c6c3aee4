//! Each refusal of the lifecycle as a problem.

mod export;
mod import;
mod lookup;
mod people;
mod reveal;
mod tokens;

use super::problem::{Code, Problem};
use crate::domain::key::transition::KeyRefusal;
use crate::lifecycle::Refusal;
use crate::lifecycle::notary::NotaryError;
use crate::lifecycle::rights::ON_BEHALF_OF;

/// Headers that the lifecycle judges.
const HEADERS: [&str; 2] = ["Idempotency-Key", ON_BEHALF_OF];

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let words = refusal.to_string();
        match refusal {
            Refusal::Invalid(invalid) if HEADERS.contains(&invalid.field.as_str()) => {
                Self::new(Code::BadHeader).field(invalid.field).detail(invalid.detail)
            }
            Refusal::Invalid(invalid) => invalid.into(),
            Refusal::NotFound(_) => Self::new(Code::NotFound).detail(words),
            Refusal::Forbidden(_) => Self::new(Code::Forbidden).detail(words),
            Refusal::Unauthenticated => Self::new(Code::Unauthorized),
            Refusal::PreconditionFailed { .. } => Self::new(Code::PreconditionFailed).detail(words),
            Refusal::Key(refusal) => refusal.into(),
            Refusal::People(refusal) => refusal.into(),
            Refusal::Token(refusal) => refusal.into(),
            Refusal::Import(refusal) => refusal.into(),
            Refusal::Reveal(refusal) => refusal.into(),
            Refusal::Lookup(refusal) => refusal.into(),
            Refusal::Export(refusal) => refusal.into(),
            Refusal::NameTaken => Self::new(Code::NameTaken).field("name").detail(words),
            Refusal::SlugTaken => Self::new(Code::SlugTaken).field("slug").detail(words),
            Refusal::AboveMember => Self::new(Code::AboveMember).detail(words),
            Refusal::KeyLimit { .. } => Self::new(Code::KeyLimit).detail(words),
            Refusal::ApiNumbersExhausted => Self::new(Code::ApiLimit).detail(words),
            Refusal::SecretExists => Self::new(Code::SecretExists).field("sha256").detail(words),
            Refusal::NotSuspended => Self::new(Code::NotSuspended).detail(words),
            Refusal::RouteConflict(conflict) => Self::new(Code::RouteConflict).field(conflict.field).detail(words),
            Refusal::IdempotencyMismatch => {
                Self::new(Code::IdempotencyKeyReused).field("Idempotency-Key").detail(words)
            }
            Refusal::IdempotencyRunning => {
                Self::new(Code::IdempotencyInProgress).field("Idempotency-Key").detail(words)
            }
            Refusal::BadCursor => Self::new(Code::BadParameter).field("cursor").detail(words),
            Refusal::Store(_) | Refusal::Notary(_) if refusal.is_unavailable() => {
                Self::new(Code::Unavailable).caused_by(refusal)
            }
            Refusal::Notary(NotaryError::NotCompared) => Self::new(Code::Unavailable).detail(words),
            Refusal::Store(error) => Self::new(Code::Internal).caused_by(error),
            Refusal::Notary(error) => Self::new(Code::Internal).caused_by(error),
            Refusal::Vault(error) => Self::new(Code::Internal).caused_by(error),
            Refusal::Audit(error) => Self::new(Code::Internal).caused_by(error),
            // The random bytes of one request in 2^256 make a token that there is, of one in 2^160 no key.
            Refusal::TokenExists | Refusal::Entropy => Self::new(Code::Internal).caused_by(refusal),
        }
    }
}

impl Problem {
    /// The problem of a refused list: what was wrong stood in the query.
    pub(super) fn of_query(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(invalid) => {
                Self::new(Code::BadParameter).field(invalid.field).fault(invalid.fault.code()).detail(invalid.detail)
            }
            refusal => refusal.into(),
        }
    }
}

impl From<KeyRefusal> for Problem {
    fn from(refusal: KeyRefusal) -> Self {
        let code = match refusal {
            KeyRefusal::Archived => Code::KeyArchived,
            KeyRefusal::Deleted => return Self::new(Code::NotFound),
            KeyRefusal::RotationActive { .. } => Code::RotationActive,
            KeyRefusal::NoRotation => Code::NoRotation,
            KeyRefusal::CancelTooLate { .. } => Code::CancelTooLate,
        };
        Self::new(code).detail(refusal.to_string())
    }
}
