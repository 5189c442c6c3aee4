//! A workspace's teams: a page of them, or one.

use keyward_shared::id::{TeamId, WorkspaceId};

use super::create_team::TeamRef;
use super::cursor::{ListTag, Position};
use super::refusal::Missing;
use super::{Lifecycle, Listed, Needs, Page, Refusal};
use crate::domain::actor::Actor;
use crate::domain::key::query::SortValue;
use crate::domain::permission::{Permission, Reach};
use crate::domain::team::{Team, TeamFilter};
use crate::domain::time::UnixMillis;
use crate::store::{PeoplePosition, TeamQuery};

/// The filters as a query string words them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeamListInput {
    /// The whole name.
    pub name: Option<String>,
    /// What another system calls the team.
    pub external_id: Option<String>,
}

impl Lifecycle {
    /// A team.
    pub async fn get_team(&self, actor: &Actor, target: TeamRef) -> Result<Team, Refusal> {
        let TeamRef { workspace, team } = target;
        self.admit(actor, Needs::Team(workspace, team, Permission::TeamRead)).await?;
        self.store.workspace(workspace).await?.ok_or(Refusal::NotFound(Missing::Workspace))?;
        self.store.team(workspace, team).await?.ok_or(Refusal::NotFound(Missing::Team))
    }

    /// One page of the workspace's teams, newest first, as far as whoever asks sees them.
    pub async fn list_teams(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        input: &TeamListInput,
        page: &Page,
    ) -> Result<Listed<Team>, Refusal> {
        let rights = self.rights(actor).await?;
        rights.admit(Needs::In(workspace, Permission::TeamRead))?;
        let limit = page.limit()?;
        self.store.workspace(workspace).await?.ok_or(Refusal::NotFound(Missing::Workspace))?;
        let mut filter = TeamFilter { member: None, name: input.name.clone(), external_id: input.external_id.clone() };
        let tag = ListTag::new("teams", &(workspace, &filter))?;
        let after = match page.position(&tag)? {
            Some(Position { value: SortValue::Millis(millis), id }) => {
                Some(PeoplePosition { created_at: UnixMillis::from_millis(millis), id: TeamId::from_u64(id) })
            }
            Some(_) => return Err(Refusal::BadCursor),
            None => None,
        };
        if rights.reach(Permission::TeamRead) != Reach::All {
            filter.member = Some(rights.member().ok_or(Refusal::Forbidden(Permission::TeamRead))?);
        }
        let query = TeamQuery { workspace_id: workspace, filter, after, limit: limit + 1 };
        Listed::new(self.store.teams(&query).await?, limit, &tag, |team| Position {
            value: SortValue::Millis(team.created_at.as_millis()),
            id: team.id.as_u64(),
        })
    }
}
