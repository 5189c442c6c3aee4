//! Delete a workspace that is suspended, with its members, tokens and keys. Final.

use async_trait::async_trait;
use keyward_shared::id::WorkspaceId;

use super::create_workspace::event;
use super::{Call, Needs, Refusal, Verb, key_support};
use crate::domain::audit::{Action, Details};
use crate::domain::change::Change;
use crate::domain::key::effect::touched;
use crate::domain::permission::Permission;
use crate::domain::workspace::WorkspaceStatus;
use crate::store::{Deleted, Tx};

/// Deletes a workspace.
pub struct DeleteWorkspace {
    /// Which.
    pub workspace: WorkspaceId,
}

const KEYS_AT_A_TIME: u16 = 1_000;

#[async_trait]
impl Verb for DeleteWorkspace {
    type Answer = ();

    fn needs(&self) -> Needs {
        Needs::In(self.workspace, Permission::WorkspaceDelete)
    }

    fn is_bulk(&self) -> bool {
        true
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<((), Change), Refusal> {
        let now = call.context.now;
        let workspace = key_support::workspace(tx, self.workspace).await?;
        call.context.check_version(workspace.version)?;
        if workspace.status != WorkspaceStatus::Suspended {
            return Err(Refusal::NotSuspended);
        }
        let (mut keys_events, mut secrets) = (Vec::new(), Vec::new());
        let catalogue = tx.catalogue().await?;
        let mut after = None;
        loop {
            let keys = tx.keys_after(workspace.id, after, KEYS_AT_A_TIME).await?;
            let Some(last) = keys.last() else { break };
            after = Some(last.key.id);
            for stored in keys {
                let deleted = stored.key.clone().delete(now)?;
                secrets.extend(touched(Some(&stored.key), &deleted));
                let (before, after) = (stored.key.facts(&catalogue), deleted.facts(&catalogue));
                let details = Details::new("delete_workspace", Some(&before), Some(&after));
                keys_events.push(key_support::event(call, &deleted, Action::Delete, details));
            }
        }
        let Deleted { members, teams, tokens } = tx.delete_workspace(workspace.id, now).await?;
        let details = Details::new("delete", Some(&workspace.facts()), None)
            .with("deleted_keys", keys_events.len())
            .with("removed_members", members)
            .with("deleted_teams", teams)
            .with("revoked_tokens", tokens);
        let change = Change::new(tx.generation(), event(call, &workspace, Action::Delete, details));
        Ok(((), keys_events.into_iter().fold(change, Change::with_event).touching(secrets)))
    }
}
