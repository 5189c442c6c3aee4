//! Edit a team.

use async_trait::async_trait;

use super::create_team::{TeamRef, check_name, event, team};
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, Details};
use crate::domain::change::Change;
use crate::domain::edit::Edit;
use crate::domain::permission::Permission;
use crate::domain::team::{Team, TeamEdit};
use crate::domain::text::{ExternalId, Name};
use crate::store::Tx;

/// Changes the fields that are named. They are not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchTeam {
    /// Which.
    pub target: TeamRef,
    /// A new name.
    pub name: Option<String>,
    /// Another external id.
    pub external_id: Edit<String>,
}

#[async_trait]
impl Verb for PatchTeam {
    type Answer = Team;

    fn needs(&self) -> Needs {
        Needs::Team(self.target.workspace, self.target.team, Permission::TeamManage)
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(Team, Change), Refusal> {
        let before = team(tx, call, self.target).await?;
        let edit = TeamEdit {
            name: self.name.map(|name| Name::parse("name", &name)).transpose()?,
            external_id: self.external_id.try_map(|id| ExternalId::parse("external_id", &id))?,
        };
        let mut after = before.clone().edit(edit);
        if after.name != before.name {
            check_name(tx, &after).await?;
        }
        if after != before {
            after.version = before.version + 1;
            tx.update_team(&after).await?;
        }
        let details = Details::new("edit", Some(&before.facts()), Some(&after.facts()));
        let change = Change::new(tx.generation(), event(call, &after, Action::Update, details));
        Ok((after, change))
    }
}
