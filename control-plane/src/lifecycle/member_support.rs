//! What the verbs on one member share: finding it, judging where it belongs, telling of it.

use keyward_shared::id::{MemberId, TeamId, WorkspaceId};

use super::refusal::{Missing, PeopleRefusal};
use super::{Call, Refusal, key_support};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::limits::TEAMS_OF_MEMBER;
use crate::domain::member::Member;
use crate::domain::workspace::Workspace;
use crate::store::Tx;

/// Which member, as a path names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberRef {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The member.
    pub member: MemberId,
}

/// The member, if there is one whom whoever acts may change, and the precondition holds.
pub(super) async fn member(tx: &mut dyn Tx, call: Call<'_>, target: MemberRef) -> Result<(Workspace, Member), Refusal> {
    let workspace = key_support::workspace(tx, target.workspace).await?;
    let member = tx.member(target.workspace, target.member).await?.ok_or(Refusal::NotFound(Missing::Member))?;
    call.rights.role(member.role)?;
    call.context.check_version(member.version)?;
    Ok((workspace, member))
}

/// Refuses an address that another member of the workspace has.
pub(super) async fn check_email(tx: &mut dyn Tx, member: &Member) -> Result<(), Refusal> {
    match &member.email {
        Some(email) if tx.email_taken(member.workspace_id, email, Some(member.id)).await? => {
            Err(PeopleRefusal::EmailTaken.into())
        }
        _ => Ok(()),
    }
}

/// Refuses to leave the workspace without an owner, where this member stops to be one.
pub(super) async fn check_owners(tx: &mut dyn Tx, member: &Member) -> Result<(), Refusal> {
    if member.is_owner() && !tx.has_other_owner(member.workspace_id, member.id).await? {
        return Err(PeopleRefusal::LastOwner.into());
    }
    Ok(())
}

/// Judges the teams that a member is to be in: each of the workspace, none twice. Puts them in order.
pub(super) async fn check_teams(
    tx: &mut dyn Tx,
    workspace: WorkspaceId,
    mut ids: Vec<TeamId>,
) -> Result<Vec<TeamId>, Refusal> {
    const FIELD: &str = "team_ids";
    if ids.len() > TEAMS_OF_MEMBER {
        let detail = format!("{} teams, at most {TEAMS_OF_MEMBER}", ids.len());
        return Err(Invalid::new(FIELD, Fault::TooMany, detail).into());
    }
    if ids.is_empty() {
        return Ok(ids);
    }
    let known = tx.teams_among(workspace, &ids).await?;
    for (index, id) in ids.iter().enumerate() {
        if !known.contains(id) {
            return Err(Invalid::at(FIELD, index, Fault::Unknown, "the workspace has no such team").into());
        }
        if ids[..index].contains(id) {
            return Err(Invalid::at(FIELD, index, Fault::Duplicate, "named before").into());
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

/// An event about a member.
pub(super) fn event(call: Call<'_>, member: &Member, action: Action, details: Details) -> AuditEvent {
    let target = Target { id: member.id.to_string(), name: member.name.as_str().to_owned() };
    AuditEvent {
        workspace_id: Some(member.workspace_id),
        ..call.context.event(action, Entity::Members, target, details)
    }
}
