//! The audit log as it is asked for and answered: filters, events, checkpoints, proofs.

use serde::Deserialize;
use utoipa::IntoParams;

use super::{instant, schema};
use crate::api::problem::Problem;
use crate::domain::audit::filter::EventFilter;
use crate::domain::audit::search::Wanted;
use crate::domain::audit::{Action, Entity};
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::limits::TEAMS_ASKED_FOR;
use crate::domain::time::UnixMillis;
use crate::lifecycle::Refusal;

/// Which events are asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FilterQuery {
    /// Events of this workspace.
    #[param(value_type = Option<schema::WorkspaceId>)]
    workspace: Option<String>,
    /// Events about what belongs to this team; given several times, to one of them.
    #[serde(default)]
    #[param(value_type = Vec<schema::TeamId>, required = false)]
    team: Vec<String>,
    /// Events by members of this team; given several times, of one of them.
    #[serde(default)]
    #[param(value_type = Vec<schema::TeamId>, required = false)]
    actor_team: Vec<String>,
    /// What was done.
    #[param(value_type = Option<Action>)]
    action: Option<String>,
    /// Who did it, or for whom: the identifier of a member or a token.
    actor: Option<String>,
    /// To what kind of thing.
    #[param(value_type = Option<Entity>)]
    entity: Option<String>,
    /// To which: its identifier.
    target: Option<String>,
    /// The first moment.
    #[param(value_type = Option<schema::Instant>)]
    from: Option<String>,
    /// The moment behind the last.
    #[param(value_type = Option<schema::Instant>)]
    to: Option<String>,
    /// Words that are all in names, identifiers, reason or details; `*` behind one stands for its ends.
    q: Option<String>,
}

impl FilterQuery {
    /// Its parameters.
    pub const NAMES: [&str; 10] =
        ["workspace", "team", "actor_team", "action", "actor", "entity", "target", "from", "to", "q"];
    /// Those that may be given several times.
    pub const REPEATED: [&str; 2] = ["team", "actor_team"];

    /// The filter, each value judged.
    pub fn into_filter(self) -> Result<EventFilter, Problem> {
        self.judged().map_err(|invalid| Problem::of_query(Refusal::Invalid(invalid)))
    }

    fn judged(self) -> Result<EventFilter, Invalid> {
        let at = |field, text: Option<String>| text.map(|text| instant(field, &text)).transpose();
        let (from, to): (Option<UnixMillis>, Option<UnixMillis>) = (at("from", self.from)?, at("to", self.to)?);
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(Invalid::new("to", Fault::Conflicting, "before `from`"));
        }
        Ok(EventFilter {
            workspace: self.workspace.map(|text| id("workspace", &text)).transpose()?,
            teams: ids("team", &self.team)?,
            actor_teams: ids("actor_team", &self.actor_team)?,
            action: word("action", self.action.as_deref(), Action::parse, &Action::ALL.map(Action::as_str))?,
            actor: text("actor", self.actor)?,
            entity: word("entity", self.entity.as_deref(), Entity::parse, &Entity::ALL.map(Entity::as_str))?,
            target: text("target", self.target)?,
            from,
            to,
            words: self.q.map(|text| Wanted::parse("q", &text)).transpose()?.unwrap_or_default(),
        })
    }
}

fn id<T: core::str::FromStr>(field: &str, text: &str) -> Result<T, Invalid> {
    text.parse().map_err(|_| Invalid::new(field, Fault::BadFormat, format!("expected the identifier of a {field}")))
}

fn ids<T: core::str::FromStr>(field: &str, texts: &[String]) -> Result<Vec<T>, Invalid> {
    if texts.len() > TEAMS_ASKED_FOR {
        return Err(Invalid::new(field, Fault::TooMany, format!("at most {TEAMS_ASKED_FOR}")));
    }
    let read = |text: &String| {
        text.parse().map_err(|_| Invalid::new(field, Fault::BadFormat, "expected the identifier of a team"))
    };
    texts.iter().map(read).collect()
}

fn word<T>(
    field: &str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    words: &[&str],
) -> Result<Option<T>, Invalid> {
    let refuse = || Invalid::new(field, Fault::BadFormat, format!("expected {}", words.join(", ")));
    text.map(|text| parse(text).ok_or_else(refuse)).transpose()
}

fn text(field: &str, text: Option<String>) -> Result<Option<String>, Invalid> {
    match text {
        Some(text) if text.is_empty() => Err(Invalid::new(field, Fault::TooShort, "expected an identifier")),
        text => Ok(text),
    }
}
