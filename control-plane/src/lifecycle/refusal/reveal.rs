//! Refusals about showing a secret again.

/// Why a secret is not shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RevealRefusal {
    /// It was never kept: the key was brought as a digest, or made where secrets are shown once.
    #[error("the secret is not kept and can't be shown")]
    NotKept,
}
