//! Revoke a token: it authenticates nobody from now on.

use async_trait::async_trait;
use keyward_shared::id::TokenId;
use serde_json::json;

use super::create_token::event;
use super::refusal::Missing;
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, Details};
use crate::domain::change::Change;
use crate::domain::permission::Permission;
use crate::store::Tx;

/// Revokes a token.
pub struct RevokeToken {
    /// Which.
    pub token: TokenId,
}

#[async_trait]
impl Verb for RevokeToken {
    type Answer = ();

    fn needs(&self) -> Needs {
        Needs::Deployment(Permission::OperatorManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<((), Change), Refusal> {
        let token = tx.token(self.token).await?.filter(|token| token.revoked_at.is_none());
        let token = token.ok_or(Refusal::NotFound(Missing::Token))?;
        tx.revoke_token(token.id, call.context.now).await?;
        let details = Details::new("revoke", Some(&json!({ "name": token.name })), None);
        Ok(((), Change::new(tx.generation(), event(call, &token, Action::Delete, details))))
    }
}
