//! Why a line of an import did not become a key.

/// Why a line of an import did not become a key, where no other way to bring a key knows the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// Several keys of the workspace could be meant.
    #[error("more than one key of the workspace has this external id")]
    Ambiguous,
    /// The key that is meant has another secret.
    #[error("the key with this external id has another secret, and an import replaces none")]
    SecretDiffers,
    /// The deployment's prefix with wrong check digits.
    #[error("the check digits are wrong: the secret begins like one of this deployment and was never one")]
    CheckDigits,
}
