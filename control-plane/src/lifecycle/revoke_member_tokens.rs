//! Revoke every token of a member.

use async_trait::async_trait;
use keyward_shared::id::{MemberId, WorkspaceId};

use super::create_member_token::holder;
use super::create_token::revoked;
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::change::Change;
use crate::domain::permission::Permission;
use crate::store::{TokenSet, Tx};

/// Revokes every token of a member that can be used.
pub struct RevokeMemberTokens {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Whose.
    pub member: MemberId,
}

#[async_trait]
impl Verb for RevokeMemberTokens {
    type Answer = ();

    fn needs(&self) -> Needs {
        Needs::Member(self.workspace, self.member, Permission::TokenManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<((), Change), Refusal> {
        let member = holder(tx, call, self.workspace, self.member).await?;
        // They have no version of their own: the member's counts.
        call.context.check_version(member.version)?;
        let tokens = tx.revoke_tokens(TokenSet::Of(member.id), call.context.now).await?;
        let here = |event| AuditEvent { workspace_id: Some(self.workspace), ..event };
        let target = Target { id: member.id.to_string(), name: member.name.as_str().to_owned() };
        let details = Details::new("revoke_all", None, None).with("tokens", tokens.len());
        let all = here(call.context.event(Action::Delete, Entity::Tokens, target, details));
        let change = Change::new(tx.generation(), all);
        let change = tokens.iter().fold(change, |change, token| change.with_event(here(revoked(call, token))));
        Ok(((), change))
    }
}
