//! Edit a member; a role that is lower ends the keys that it may not have.

use async_trait::async_trait;
use keyward_shared::id::TeamId;

use super::create_token::revoked_because;
use super::member_support::{self, MemberRef};
use super::offboarding::{self, Plan, Reassign};
use super::refusal::PeopleRefusal;
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, Details};
use crate::domain::change::Change;
use crate::domain::edit::Edit;
use crate::domain::member::{Member, MemberEdit, MemberKind, Role};
use crate::domain::offboarding::Step;
use crate::domain::permission::{Permission, Reach, Standing};
use crate::domain::text::{Email, ExternalId, Name};
use crate::store::{TokenSet, Tx};

/// A partial change of a member, not yet judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberPatch {
    /// Another kind.
    pub kind: Option<MemberKind>,
    /// Another address.
    pub email: Edit<String>,
    /// A new name.
    pub name: Option<String>,
    /// Another role.
    pub role: Option<Role>,
    /// Other teams, replaced as a whole.
    pub team_ids: Option<Vec<TeamId>>,
    /// Another external id.
    pub external_id: Edit<String>,
}

/// Changes the fields that are named, after moving the keys that are named.
pub struct PatchMember {
    /// Whom.
    pub target: MemberRef,
    /// The fields.
    pub patch: MemberPatch,
    /// Which keys go to whom first.
    pub reassign: Reassign,
}

/// A member who was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedMember {
    /// The member.
    pub member: Member,
    /// What it meant to the keys.
    pub plan: Plan,
}

#[async_trait]
impl Verb for PatchMember {
    type Answer = ChangedMember;

    fn needs(&self) -> Needs {
        Needs::Member(self.target.workspace, self.target.member, Permission::MemberManage)
    }

    fn is_bulk(&self) -> bool {
        self.patch.role.is_some() || !self.reassign.is_empty()
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(ChangedMember, Change), Refusal> {
        let (workspace, before) = member_support::member(tx, call, self.target).await?;
        if let Some(role) = self.patch.role {
            call.rights.role(role)?;
        }
        let mut after = self.patch.edited(&before)?;
        if before.is_default && (after.role, after.kind) != (before.role, before.kind) {
            return Err(PeopleRefusal::DefaultMember.into());
        }
        if after.team_ids != before.team_ids {
            after.team_ids = member_support::check_teams(tx, workspace.id, after.team_ids).await?;
        }
        if after.email != before.email {
            member_support::check_email(tx, &after).await?;
        }
        if !after.is_owner() {
            member_support::check_owners(tx, &before).await?;
        }
        let step = if after.role == before.role { Step::Stays } else { Step::Becomes(after.role) };
        let settled = offboarding::settle(tx, call, &workspace, &before, step, &self.reassign).await?;
        if after != before {
            after.version = before.version + 1;
            tx.update_member(&after).await?;
        }
        let tokens = match tokens_to_end(&before, &after) {
            Some(set) => tx.revoke_tokens(set, call.context.now).await?,
            None => Vec::new(),
        };
        let mut details = settled.counted(Details::new(step.operation(), Some(&before.facts()), Some(&after.facts())));
        if !tokens.is_empty() {
            details = details.with("revoked_tokens", tokens.len());
        }
        let event = member_support::event(call, &after, Action::Update, details);
        let (plan, change) = settled.told(Change::new(tx.generation(), event));
        let ended = revoked_because(call, workspace.id, &tokens, step.operation());
        let change = ended.fold(change, Change::with_event);
        Ok((ChangedMember { member: after, plan }, change))
    }
}

/// The tokens whose text somebody may have kept who may not act with them from now on: of one who becomes
/// an owner those that others made, and those that one made for others who may not make any more.
fn tokens_to_end(before: &Member, after: &Member) -> Option<TokenSet> {
    let makes = |member: &Member| Permission::TokenManage.reach(Standing::Member(member.role)) == Reach::All;
    if after.is_owner() && !before.is_owner() {
        Some(TokenSet::OfMadeByOthers(after.id))
    } else if makes(before) && !makes(after) {
        Some(TokenSet::MadeForOthersBy(after.id))
    } else {
        None
    }
}

impl MemberPatch {
    fn edited(self, before: &Member) -> Result<Member, Refusal> {
        let edit = MemberEdit {
            kind: self.kind,
            email: self.email.try_map(|email| Email::parse("email", &email))?,
            name: self.name.map(|name| Name::parse("name", &name)).transpose()?,
            role: self.role,
            team_ids: self.team_ids,
            external_id: self.external_id.try_map(|id| ExternalId::parse("external_id", &id))?,
        };
        Ok(before.clone().edit(edit))
    }
}
