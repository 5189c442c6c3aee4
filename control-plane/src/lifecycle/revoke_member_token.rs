//! Revoke one token of a member: it authenticates nobody from now on.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, TokenId, WorkspaceId};

use super::create_member_token::holder;
use super::create_token::revoked;
use super::refusal::Missing;
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::AuditEvent;
use crate::domain::change::Change;
use crate::domain::permission::Permission;
use crate::domain::token::TOKEN_VERSION;
use crate::store::Tx;

/// Revokes one token of a member.
pub struct RevokeMemberToken {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Whose.
    pub member: MemberId,
    /// Which.
    pub token: TokenId,
}

#[async_trait]
impl Verb for RevokeMemberToken {
    type Answer = ();

    fn needs(&self) -> Needs {
        Needs::Member(self.workspace, self.member, Permission::TokenManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<((), Change), Refusal> {
        let now = call.context.now;
        let member = holder(tx, call, self.workspace, self.member).await?;
        let token = tx.token(self.token).await?;
        let token = token.filter(|token| token.member == Some(member.id) && token.usable_at(now));
        let token = token.ok_or(Refusal::NotFound(Missing::Token))?;
        call.context.check_version(TOKEN_VERSION)?;
        tx.revoke_token(token.id, now).await?;
        let event = AuditEvent { workspace_id: Some(self.workspace), ..revoked(call, &token) };
        Ok(((), Change::new(tx.generation(), event)))
    }
}
