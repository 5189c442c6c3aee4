//! Refusals about a secret that somebody holds, and about a request that somebody made.

use crate::domain::explain::Mistake;

/// Why nothing is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupRefusal {
    /// No key has or had it, or none that this actor sees.
    #[error("no key has or had this secret")]
    Unknown,
    /// It can't be one, and it can be said why.
    #[error("no key has this secret: {}", .0.words())]
    Malformed(Mistake),
    /// No edge has reported the request.
    #[error("no edge has told of this request; say what it was instead")]
    UnknownRequest,
}
