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
    /// It would do more, or last longer, than the token that makes it.
    #[error("a token makes none that may do more, or lasts longer, than itself")]
    Wider,
}
