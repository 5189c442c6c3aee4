//! A workspace's members: a page of them, or one.

use keyward_shared::id::{MemberId, WorkspaceId};

use super::cursor::{ListTag, Position};
use super::member_support::MemberRef;
use super::refusal::Missing;
use super::{Lifecycle, Listed, Needs, Page, Refusal};
use crate::domain::actor::Actor;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::query::SortValue;
use crate::domain::member::{Member, MemberFilter, MemberKind, Role};
use crate::domain::permission::{Permission, Reach};
use crate::domain::time::UnixMillis;
use crate::store::{MemberQuery, PeoplePosition};

/// The filters as a query string words them, not yet judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberListInput {
    /// `person` or `machine`.
    pub kind: Option<String>,
    /// A role.
    pub role: Option<String>,
    /// A team's identifier.
    pub team: Option<String>,
    /// The whole address, in capitals or not.
    pub email: Option<String>,
    /// What another system calls the member.
    pub external_id: Option<String>,
}

impl Lifecycle {
    /// A member.
    pub async fn get_member(&self, actor: &Actor, target: MemberRef) -> Result<Member, Refusal> {
        let MemberRef { workspace, member } = target;
        self.admit(actor, Needs::Member(workspace, member, Permission::MemberRead)).await?;
        self.store.workspace(workspace).await?.ok_or(Refusal::NotFound(Missing::Workspace))?;
        self.store.member(workspace, member).await?.ok_or(Refusal::NotFound(Missing::Member))
    }

    /// One page of the workspace's members, newest first, as far as whoever asks sees them.
    pub async fn list_members(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        input: &MemberListInput,
        page: &Page,
    ) -> Result<Listed<Member>, Refusal> {
        let rights = self.rights(actor).await?;
        rights.admit(Needs::In(workspace, Permission::MemberRead))?;
        let limit = page.limit()?;
        self.store.workspace(workspace).await?.ok_or(Refusal::NotFound(Missing::Workspace))?;
        let mut filter = input.filter()?;
        let tag = ListTag::new("members", &(workspace, &filter))?;
        let after = match page.position(&tag)? {
            Some(Position { value: SortValue::Millis(millis), id }) => {
                Some(PeoplePosition { created_at: UnixMillis::from_millis(millis), id: MemberId::from_u64(id) })
            }
            Some(_) => return Err(Refusal::BadCursor),
            None => None,
        };
        if rights.reach(Permission::MemberRead) != Reach::All {
            filter.member = Some(rights.member().ok_or(Refusal::Forbidden(Permission::MemberRead))?);
        }
        let query = MemberQuery { workspace_id: workspace, filter, after, limit: limit + 1 };
        Listed::new(self.store.members(&query).await?, limit, &tag, |member| Position {
            value: SortValue::Millis(member.created_at.as_millis()),
            id: member.id.as_u64(),
        })
    }
}

impl MemberListInput {
    fn filter(&self) -> Result<MemberFilter, Invalid> {
        Ok(MemberFilter {
            member: None,
            kind: word("kind", self.kind.as_deref(), MemberKind::parse, "person, machine")?,
            role: word("role", self.role.as_deref(), Role::parse, &Role::ALL.map(Role::as_str).join(", "))?,
            team: word("team", self.team.as_deref(), |id| id.parse().ok(), "the identifier of a team")?,
            email: self.email.clone(),
            external_id: self.external_id.clone(),
        })
    }
}

fn word<T>(
    field: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    expected: &str,
) -> Result<Option<T>, Invalid> {
    let refuse = || Invalid::new(field, Fault::BadFormat, format!("expected {expected}"));
    text.map(|text| parse(text).ok_or_else(refuse)).transpose()
}
