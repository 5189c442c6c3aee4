//! Authenticate: whose token is it, and for whom does it act?

use keyward_shared::id::MemberId;

use super::rights::ON_BEHALF_OF;
use super::{Lifecycle, Refusal};
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::member::MemberStanding;
use crate::domain::time::UnixMillis;
use crate::domain::token::{TOKEN_PREFIX, Token, TokenHash};

/// What a Bearer turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authenticated {
    /// An operator, by a token that may be used now.
    Operator(Token),
    /// A member, by a token that may be used now.
    Member(Token, MemberStanding),
    /// Nobody: no token, one that is revoked or expired, or one of a member who is not there any more.
    /// Answers must not tell these apart.
    Nobody,
}

impl Lifecycle {
    /// Looks up the token with this text. A refusal is a fault of ours, never of the caller.
    pub async fn authenticate(&self, text: &str, now: UnixMillis) -> Result<Authenticated, Refusal> {
        if !text.starts_with(TOKEN_PREFIX) {
            return Ok(Authenticated::Nobody);
        }
        let token = self.store.token_by_hash(&TokenHash::of(text)).await?;
        let Some(token) = token.filter(|token| token.usable_at(now)) else {
            return Ok(Authenticated::Nobody);
        };
        let Some(member) = token.member else {
            return Ok(Authenticated::Operator(token));
        };
        let standing = self.store.standing(member).await?;
        Ok(standing.map_or(Authenticated::Nobody, |standing| Authenticated::Member(token, standing)))
    }

    /// The member for whom an operator wants to act, as `text` names one.
    pub async fn on_behalf_of(&self, text: &str) -> Result<MemberStanding, Refusal> {
        let unknown = || Invalid::new(ON_BEHALF_OF, Fault::Unknown, "there is no such member");
        let malformed = |_| Invalid::new(ON_BEHALF_OF, Fault::BadFormat, "the identifier of a member");
        let member: MemberId = text.parse().map_err(malformed)?;
        Ok(self.store.standing(member).await?.ok_or_else(unknown)?)
    }
}
