//! Teams: the groups of members that keys may belong to.

use keyward_shared::id::{MemberId, TeamId, WorkspaceId};
use serde::Serialize;
use serde_json::{Value, json};

use super::edit::Edit;
use super::text::{ExternalId, Name};
use super::time::UnixMillis;

/// A team of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// The team's identifier.
    pub id: TeamId,
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The name; unique among the workspace's teams.
    pub name: Name,
    /// What another system calls the team.
    pub external_id: Option<ExternalId>,
    /// When the team was made.
    pub created_at: UnixMillis,
    /// Counts the team's changes, from 1.
    pub version: u64,
}

/// A partial change of a team, every value judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeamEdit {
    /// A new name.
    pub name: Option<Name>,
    /// Another external id.
    pub external_id: Edit<ExternalId>,
}

impl Team {
    /// Changes what is named in `edit`.
    #[must_use]
    pub fn edit(self, edit: TeamEdit) -> Self {
        Self { name: edit.name.unwrap_or(self.name), external_id: edit.external_id.apply(self.external_id), ..self }
    }

    /// The fields that can change, for the audit log.
    pub fn facts(&self) -> Value {
        json!({ "name": self.name, "external_id": self.external_id })
    }
}

/// Which teams a list holds: conditions that all must hold; one that is absent holds for every team.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TeamFilter {
    /// A member who is in it.
    pub member: Option<MemberId>,
    /// The whole name.
    pub name: Option<String>,
    /// What another system calls it.
    pub external_id: Option<String>,
}
