//! Refusals about members' tokens.

/// Why a token was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// The member has as many as one may have.
    #[error("the member has {max} tokens, as many as one may have")]
    Limit {
        /// How many that is.
        max: u16,
    },
}
