//! Authenticate: whose token is it?

use super::{Lifecycle, Refusal};
use crate::domain::time::UnixMillis;
use crate::domain::token::{TOKEN_PREFIX, Token, TokenHash};

/// What a Bearer turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authenticated {
    /// A token that may be used now.
    Token(Token),
    /// None, or one that is revoked or expired. Answers must not tell these apart.
    Nobody,
}

impl Lifecycle {
    /// Looks up the token with this text. A refusal is a fault of ours, never of the caller.
    pub async fn authenticate(&self, text: &str, now: UnixMillis) -> Result<Authenticated, Refusal> {
        if !text.starts_with(TOKEN_PREFIX) {
            return Ok(Authenticated::Nobody);
        }
        let token = self.store.token_by_hash(&TokenHash::of(text)).await?;
        Ok(token.filter(|token| token.usable_at(now)).map_or(Authenticated::Nobody, Authenticated::Token))
    }
}
