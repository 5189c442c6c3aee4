//! Refusals about a secret that somebody holds, and about a request that somebody made.

use crate::domain::explain::Mistake;
use crate::store::refusals::SAMPLE_KEPT_MS;

/// Why nothing is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupRefusal {
    /// No key has or had it, or none that this actor sees.
    #[error("no key has or had this secret")]
    Unknown,
    /// It can't be one, and it can be said why.
    #[error("no key has this secret: {}", .0.words())]
    Malformed(Mistake),
    /// No refusal of the request is on record, or none that this actor may be told of.
    #[error(
        "no refusal of this request is on record: edges tell of one some seconds later, of each key and reason of \
         the first few and then of ever fewer, and it is kept for {} days; say what the request was instead",
        SAMPLE_KEPT_MS / 86_400_000
    )]
    UnknownRequest,
}
