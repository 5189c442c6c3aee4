//! What is asked of a database about tokens. Only their hashes are there.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, TokenId};

use super::StoreError;
use crate::domain::time::UnixMillis;
use crate::domain::token::{Token, TokenHash};

/// A place in a list of tokens: behind the one made at this time with this identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPosition {
    /// When it was made.
    pub created_at: UnixMillis,
    /// Its identifier.
    pub id: TokenId,
}

/// Which members' tokens are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSet {
    /// Those that act as this member.
    Of(MemberId),
    /// Those that this member made for others.
    MadeForOthersBy(MemberId),
    /// Those that act as this member and that another member made.
    OfMadeByOthers(MemberId),
}

/// Tokens, read.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The token whose hash this is, whatever its state.
    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<Token>, StoreError>;

    /// A token, whatever its state.
    async fn token(&self, id: TokenId) -> Result<Option<Token>, StoreError>;

    /// The member's tokens that can be used at `now`, newest first.
    async fn tokens(
        &self,
        member: MemberId,
        now: UnixMillis,
        after: Option<TokenPosition>,
        limit: u16,
    ) -> Result<Vec<Token>, StoreError>;
}

/// Tokens, within a transaction.
#[async_trait]
pub trait TokenTx: Send {
    /// The token whose hash this is, whatever its state.
    async fn token_by_hash(&mut self, hash: &TokenHash) -> Result<Option<Token>, StoreError>;

    /// A token, whatever its state.
    async fn token(&mut self, id: TokenId) -> Result<Option<Token>, StoreError>;

    /// How many tokens of the member can be used at `now`.
    async fn usable_tokens(&mut self, member: MemberId, now: UnixMillis) -> Result<u64, StoreError>;

    /// Adds a token.
    async fn insert_token(&mut self, token: &Token, hash: &TokenHash) -> Result<(), StoreError>;

    /// Marks a token revoked.
    async fn revoke_token(&mut self, id: TokenId, at: UnixMillis) -> Result<(), StoreError>;

    /// Marks every token of the set that can be used at `at` revoked, and tells which these were, oldest
    /// first.
    async fn revoke_tokens(&mut self, set: TokenSet, at: UnixMillis) -> Result<Vec<Token>, StoreError>;
}
