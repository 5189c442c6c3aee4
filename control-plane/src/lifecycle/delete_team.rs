//! Delete a team; its keys stay, and belong to none.

use async_trait::async_trait;
use serde_json::json;

use super::create_team::{TeamRef, event, team};
use super::{Call, Needs, Refusal, Verb};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::change::Change;
use crate::domain::permission::Permission;
use crate::store::Tx;
use crate::store::people::Released;

/// Deletes a team.
pub struct DeleteTeam {
    /// Which.
    pub target: TeamRef,
}

#[async_trait]
impl Verb for DeleteTeam {
    type Answer = ();

    fn needs(&self) -> Needs {
        Needs::Team(self.target.workspace, self.target.team, Permission::TeamManage)
    }

    fn is_bulk(&self) -> bool {
        true
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<((), Change), Refusal> {
        let team = team(tx, call, self.target).await?;
        let Released { members, keys } = tx.delete_team(team.id, call.context.now).await?;
        let details = Details::new("delete", Some(&team.facts()), None)
            .with("released_members", members)
            .with("released_keys", keys.len());
        let mut change = Change::new(tx.generation(), event(call, &team, Action::Delete, details));
        for key in keys {
            let (before, after) = (json!({ "team_id": team.id }), json!({ "team_id": null }));
            let details = Details::new("edit", Some(&before), Some(&after)).with("because", "delete_team");
            let target = Target { id: key.id.to_string(), name: key.name };
            // Whoever follows the team is told that the key left it.
            change = change.with_event(AuditEvent {
                workspace_id: Some(team.workspace_id),
                team_id: Some(team.id),
                ..call.context.event(Action::Update, Entity::ApiKeys, target, details)
            });
        }
        Ok(((), change))
    }
}
