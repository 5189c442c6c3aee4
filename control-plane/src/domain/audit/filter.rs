//! Which events of the log are asked for. What somebody may see of them is not asked here.

use keyward_shared::id::{TeamId, WorkspaceId};
use serde::Serialize;

use super::search::Wanted;
use super::{Action, Entity};
use crate::domain::time::UnixMillis;

/// Conditions that an event meets all of. What is absent or empty asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EventFilter {
    /// Its workspace.
    pub workspace: Option<WorkspaceId>,
    /// The teams of which one has the thing that it is about.
    pub teams: Vec<TeamId>,
    /// The teams of which one had whoever acted.
    pub actor_teams: Vec<TeamId>,
    /// What was done.
    pub action: Option<Action>,
    /// Who did it, or for whom: an identifier.
    pub actor: Option<String>,
    /// To what kind of thing.
    pub entity: Option<Entity>,
    /// To which: an identifier.
    pub target: Option<String>,
    /// The first moment.
    pub from: Option<UnixMillis>,
    /// The moment behind the last.
    pub to: Option<UnixMillis>,
    /// Words that are all in its names, identifiers, reason or details.
    pub words: Vec<Wanted>,
}

impl EventFilter {
    /// Whether it asks nothing, so that every event meets it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
