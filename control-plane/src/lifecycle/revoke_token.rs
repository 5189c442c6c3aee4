//! Revoke any token, as whoever has the machine: it authenticates nobody from now on.

use async_trait::async_trait;
use keyward_shared::id::TokenId;

use super::create_token::revoked;
use super::refusal::Missing;
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::AuditEvent;
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
        let workspace_id = match token.member {
            Some(member) => tx.standing(member).await?.map(|member| member.workspace_id),
            None => None,
        };
        let event = AuditEvent { workspace_id, ..revoked(call, &token) };
        Ok(((), Change::new(tx.generation(), event)))
    }
}
