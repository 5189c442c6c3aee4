//! Create a team.

use async_trait::async_trait;
use keyward_shared::id::{TeamId, WorkspaceId};

use super::refusal::{Missing, PeopleRefusal};
use super::{Call, Needs, Refusal, Verb, key_support};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::change::Change;
use crate::domain::permission::Permission;
use crate::domain::team::Team;
use crate::domain::text::{ExternalId, Name};
use crate::store::Tx;

/// Which team, as a path names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TeamRef {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The team.
    pub team: TeamId,
}

/// Creates a team. Fields are not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTeam {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// The name.
    pub name: String,
    /// What another system calls it.
    pub external_id: Option<String>,
}

#[async_trait]
impl Verb for CreateTeam {
    type Answer = Team;

    fn needs(&self) -> Needs {
        Needs::In(self.workspace, Permission::TeamManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(Team, Change), Refusal> {
        let workspace = key_support::workspace(tx, self.workspace).await?;
        call.context.check_absent()?;
        let team = Team {
            id: TeamId::from_random(call.context.entropy.ids[0]),
            workspace_id: workspace.id,
            name: Name::parse("name", &self.name)?,
            external_id: self.external_id.map(|id| ExternalId::parse("external_id", &id)).transpose()?,
            created_at: call.context.now,
            version: 1,
        };
        check_name(tx, &team).await?;
        tx.insert_team(&team).await?;
        let details = Details::new("create", None, Some(&team.facts()));
        let change = Change::new(tx.generation(), event(call, &team, Action::Create, details));
        Ok((team, change))
    }
}

/// The team, if there is one and the precondition holds.
pub(super) async fn team(tx: &mut dyn Tx, call: Call<'_>, target: TeamRef) -> Result<Team, Refusal> {
    key_support::workspace(tx, target.workspace).await?;
    let team = tx.team(target.workspace, target.team).await?.ok_or(Refusal::NotFound(Missing::Team))?;
    call.context.check_version(team.version)?;
    Ok(team)
}

/// Refuses a name that another team of the workspace has.
pub(super) async fn check_name(tx: &mut dyn Tx, team: &Team) -> Result<(), Refusal> {
    if tx.team_name_taken(team.workspace_id, &team.name, Some(team.id)).await? {
        return Err(PeopleRefusal::TeamNameTaken.into());
    }
    Ok(())
}

/// An event about a team.
pub(super) fn event(call: Call<'_>, team: &Team, action: Action, details: Details) -> AuditEvent {
    let target = Target { id: team.id.to_string(), name: team.name.as_str().to_owned() };
    AuditEvent {
        workspace_id: Some(team.workspace_id),
        team_id: Some(team.id),
        ..call.context.event(action, Entity::Teams, target, details)
    }
}
