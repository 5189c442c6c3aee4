//! Which events of the log are asked for. What somebody may see of them is not asked here.

use keyward_shared::id::{TeamId, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::search::Wanted;
use super::{Action, Entity, search};
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

    /// Whether an event, as it is written, meets all of it.
    pub fn is_met_by(&self, document: &Value) -> bool {
        let actor = &document["actor"];
        let is = |value: &Value, wanted: &str| value.as_str() == Some(wanted);
        let is_of = |value: &Value, teams: &[TeamId]| teams.iter().any(|team| is(value, &team.to_string()));
        let mut actor_teams = document["actor_team_ids"].as_array().into_iter().flatten();
        let at = document["at"].as_str().and_then(UnixMillis::parse);
        let words = if self.words.is_empty() { String::new() } else { search::words(document) };
        self.workspace.is_none_or(|id| is(&document["workspace_id"], &id.to_string()))
            && (self.teams.is_empty() || is_of(&document["team_id"], &self.teams))
            && (self.actor_teams.is_empty() || actor_teams.any(|team| is_of(team, &self.actor_teams)))
            && self.action.is_none_or(|action| is(&document["action"], action.as_str()))
            && self.actor.as_ref().is_none_or(|id| is(&actor["id"], id) || is(&actor["on_behalf_of"], id))
            && self.entity.is_none_or(|entity| is(&document["entity"], entity.as_str()))
            && self.target.as_ref().is_none_or(|id| is(&document["target"]["id"], id))
            && self.from.is_none_or(|from| at.is_some_and(|at| from <= at))
            && self.to.is_none_or(|to| at.is_some_and(|at| at < to))
            && self.words.iter().all(|word| word.is_among(words.split(' ')))
    }

    /// Reads what [`Serialize`] wrote; none where it is anything else.
    pub fn read(value: &Value) -> Option<Self> {
        let written = Written::deserialize(value).ok()?;
        let at = |text: Option<String>| text.map_or(Some(None), |text| UnixMillis::parse(&text).map(Some));
        Some(Self {
            workspace: written.workspace,
            teams: written.teams,
            actor_teams: written.actor_teams,
            action: written.action.map_or(Some(None), |text| Action::parse(&text).map(Some))?,
            actor: written.actor,
            entity: written.entity.map_or(Some(None), |text| Entity::parse(&text).map(Some))?,
            target: written.target,
            from: at(written.from)?,
            to: at(written.to)?,
            words: written.words.iter().map(|word| Wanted::read(word)).collect::<Option<_>>()?,
        })
    }
}

/// A filter as it is written.
#[derive(Deserialize)]
struct Written {
    workspace: Option<WorkspaceId>,
    teams: Vec<TeamId>,
    actor_teams: Vec<TeamId>,
    action: Option<String>,
    actor: Option<String>,
    entity: Option<String>,
    target: Option<String>,
    from: Option<String>,
    to: Option<String>,
    words: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_back() {
        let full = EventFilter {
            workspace: Some(WorkspaceId::from_u64(7)),
            teams: vec![TeamId::from_u64(8), TeamId::from_u64(9)],
            actor_teams: vec![TeamId::from_u64(10)],
            action: Some(Action::Create),
            actor: Some("mem_1".to_owned()),
            entity: Some(Entity::ApiKeys),
            target: Some("key_1".to_owned()),
            from: Some(UnixMillis::from_millis(1_700_000_000_123)),
            to: Some(UnixMillis::from_millis(1_800_000_000_000)),
            words: Wanted::parse("q", "nightly build* İbcd* 7").expect("words"),
        };
        for filter in [full, EventFilter::default()] {
            let written = serde_json::to_value(&filter).expect("JSON");
            assert_eq!(EventFilter::read(&written), Some(filter));
        }
        assert_eq!(EventFilter::read(&Value::Null), None);
    }
}
