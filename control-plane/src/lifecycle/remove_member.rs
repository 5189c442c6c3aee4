//! Remove a member, with their keys and tokens. Final.

use async_trait::async_trait;

use super::create_token::revoked_because;
use super::member_support::{self, MemberRef};
use super::offboarding::{self, Plan, Reassign};
use super::refusal::PeopleRefusal;
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, Details};
use crate::domain::change::Change;
use crate::domain::offboarding::Step;
use crate::domain::permission::Permission;
use crate::store::{TokenSet, Tx};

/// Removes a member, after moving the keys that are named.
pub struct RemoveMember {
    /// Whom.
    pub target: MemberRef,
    /// Which keys go to whom first.
    pub reassign: Reassign,
}

#[async_trait]
impl Verb for RemoveMember {
    type Answer = Plan;

    fn needs(&self) -> Needs {
        Needs::Member(self.target.workspace, self.target.member, Permission::MemberManage)
    }

    fn is_bulk(&self) -> bool {
        true
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(Plan, Change), Refusal> {
        let (workspace, member) = member_support::member(tx, call, self.target).await?;
        if member.is_default {
            return Err(PeopleRefusal::DefaultMember.into());
        }
        member_support::check_owners(tx, &member).await?;
        let settled = offboarding::settle(tx, call, &workspace, &member, Step::Goes, &self.reassign).await?;
        let now = call.context.now;
        let mut tokens = tx.revoke_tokens(TokenSet::Of(member.id), now).await?;
        // What the member made for others they may have kept.
        tokens.extend(tx.revoke_tokens(TokenSet::MadeForOthersBy(member.id), now).await?);
        tx.remove_member(member.id, now).await?;
        let mut details = settled.counted(Details::new(Step::Goes.operation(), Some(&member.facts()), None));
        if !tokens.is_empty() {
            details = details.with("revoked_tokens", tokens.len());
        }
        let event = member_support::event(call, &member, Action::Delete, details);
        let (plan, change) = settled.told(Change::new(tx.generation(), event));
        let ended = revoked_because(call, workspace.id, &tokens, Step::Goes.operation());
        let change = ended.fold(change, Change::with_event);
        Ok((plan, change))
    }
}
