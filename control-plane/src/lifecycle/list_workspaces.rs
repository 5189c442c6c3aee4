//! List the workspaces, newest first, a page at a time.

use keyward_shared::id::WorkspaceId;

use super::cursor::{ListTag, Position};
use super::{Lifecycle, Listed, Needs, Page, Refusal};
use crate::domain::actor::Actor;
use crate::domain::key::query::SortValue;
use crate::domain::permission::Permission;
use crate::domain::time::UnixMillis;
use crate::domain::workspace::Workspace;
use crate::store::WorkspacePosition;

impl Lifecycle {
    /// One page of the workspaces that are not deleted; for a member, the one they are in.
    pub async fn list_workspaces(&self, actor: &Actor, page: &Page) -> Result<Listed<Workspace>, Refusal> {
        let rights = self.rights(actor).await?;
        rights.admit(Needs::Deployment(Permission::WorkspaceRead))?;
        let limit = page.limit()?;
        let tag = ListTag::new("workspaces", &())?;
        let after = match page.position(&tag)? {
            Some(Position { value: SortValue::Millis(millis), id }) => {
                Some(WorkspacePosition { created_at: UnixMillis::from_millis(millis), id: WorkspaceId::from_u64(id) })
            }
            Some(_) => return Err(Refusal::BadCursor),
            None => None,
        };
        let workspaces = match rights.workspace() {
            None => self.store.workspaces(after, limit + 1).await?,
            // Behind the only one there is nothing.
            Some(_) if after.is_some() => Vec::new(),
            Some(own) => self.store.workspace(own).await?.into_iter().collect(),
        };
        Listed::new(workspaces, limit, &tag, |workspace| Position {
            value: SortValue::Millis(workspace.created_at.as_millis()),
            id: workspace.id.as_u64(),
        })
    }
}
