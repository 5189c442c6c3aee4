//! What is asked of a database about tokens. Only their hashes are there.

use async_trait::async_trait;
use keyward_shared::id::TokenId;

use super::StoreError;
use crate::domain::time::UnixMillis;
use crate::domain::token::{Token, TokenHash};

/// Tokens, read.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The token whose hash this is, whatever its state.
    async fn token_by_hash(&self, hash: &TokenHash) -> Result<Option<Token>, StoreError>;
}

/// Tokens, within a transaction.
#[async_trait]
pub trait TokenTx: Send {
    /// The token whose hash this is, whatever its state.
    async fn token_by_hash(&mut self, hash: &TokenHash) -> Result<Option<Token>, StoreError>;

    /// A token, whatever its state.
    async fn token(&mut self, id: TokenId) -> Result<Option<Token>, StoreError>;

    /// Adds a token.
    async fn insert_token(&mut self, token: &Token, hash: &TokenHash) -> Result<(), StoreError>;

    /// Marks a token revoked.
    async fn revoke_token(&mut self, id: TokenId, at: UnixMillis) -> Result<(), StoreError>;
}
