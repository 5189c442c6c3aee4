//! The audit log as it is asked for and answered: filters, events, checkpoints, proofs.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::page::page;
use super::{instant, schema};
use crate::api::problem::Problem;
use crate::domain::audit::filter::EventFilter;
use crate::domain::audit::search::Wanted;
use crate::domain::audit::{Action, Entity, LoggedEvent};
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::limits::{ASKED_FOR_CHARACTERS, TEAMS_ASKED_FOR};
use crate::domain::time::UnixMillis;
use crate::lifecycle::{ConsistencyProof, InclusionProof, Page, ProvenTree, Refusal, StoredCheckpoint};

/// Which events are asked for.
#[derive(Debug, Clone, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[schema(as = AuditFilter)]
#[serde(deny_unknown_fields)]
pub struct FilterQuery {
    /// Events of this workspace.
    #[param(value_type = Option<schema::WorkspaceId>)]
    #[schema(value_type = Option<schema::WorkspaceId>)]
    workspace: Option<String>,
    /// Events about what belongs to this team; given several times, to one of them.
    #[serde(default)]
    #[param(value_type = Vec<schema::TeamId>, required = false, max_items = 20)]
    #[schema(value_type = Vec<schema::TeamId>, required = false, max_items = 20)]
    team: Vec<String>,
    /// Events by members of this team; given several times, of one of them.
    #[serde(default)]
    #[param(value_type = Vec<schema::TeamId>, required = false, max_items = 20)]
    #[schema(value_type = Vec<schema::TeamId>, required = false, max_items = 20)]
    actor_team: Vec<String>,
    /// What was done.
    #[param(value_type = Option<Action>)]
    #[schema(value_type = Option<Action>)]
    action: Option<String>,
    /// Who did it, or for whom: the identifier of a member, or of a token that is no member's.
    #[param(min_length = 1, max_length = 64)]
    #[schema(min_length = 1, max_length = 64)]
    actor: Option<String>,
    /// To what kind of thing.
    #[param(value_type = Option<Entity>)]
    #[schema(value_type = Option<Entity>)]
    entity: Option<String>,
    /// To which: its identifier.
    #[param(min_length = 1, max_length = 64)]
    #[schema(min_length = 1, max_length = 64)]
    target: Option<String>,
    /// The first moment.
    #[param(value_type = Option<schema::Instant>)]
    #[schema(value_type = Option<schema::Instant>)]
    from: Option<String>,
    /// The moment behind the last.
    #[param(value_type = Option<schema::Instant>)]
    #[schema(value_type = Option<schema::Instant>)]
    to: Option<String>,
    /// Words that are all in names, identifiers, reason or details; `*` behind one stands for its ends.
    #[param(min_length = 1)]
    #[schema(min_length = 1)]
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

    /// The same, of a filter that stands in a body.
    pub(crate) fn judged(self) -> Result<EventFilter, Invalid> {
        let (from, to) = times(self.from.as_deref(), self.to.as_deref())?;
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

/// An event as it is answered: what is hashed of it, and the hash.
#[derive(Debug, Serialize)]
pub struct EventBody<'a> {
    #[serde(flatten)]
    document: &'a Value,
    hash: String,
}

impl<'a> From<&'a LoggedEvent> for EventBody<'a> {
    fn from(event: &'a LoggedEvent) -> Self {
        Self { document: &event.document, hash: hex::encode(event.hash) }
    }
}

/// The query of `GET /v1/audit/checkpoints`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CheckpointListQuery {
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<String>,
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
    /// The first moment.
    #[param(value_type = Option<schema::Instant>)]
    from: Option<String>,
    /// The moment behind the last.
    #[param(value_type = Option<schema::Instant>)]
    to: Option<String>,
}

/// From when, and up to when.
type Times = (Option<UnixMillis>, Option<UnixMillis>);

impl CheckpointListQuery {
    /// From when up to when, and which page of them.
    pub fn into_input(self) -> Result<(Times, Page), Problem> {
        let page = page(self.limit.as_deref(), self.cursor)?;
        let times = times(self.from.as_deref(), self.to.as_deref());
        Ok((times.map_err(|invalid| Problem::of_query(Refusal::Invalid(invalid)))?, page))
    }
}

/// Reads `from` and `to`.
fn times(from: Option<&str>, to: Option<&str>) -> Result<Times, Invalid> {
    let at = |field, text: Option<&str>| text.map(|text| instant(field, text)).transpose();
    let (from, to) = (at("from", from)?, at("to", to)?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Invalid::new("to", Fault::Conflicting, "before `from`"));
    }
    Ok((from, to))
}

/// A checkpoint as it is answered.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditCheckpoint)]
pub struct CheckpointBody<'a> {
    /// How many events the log had.
    size: u64,
    /// The root of the tree over them, in hexadecimal.
    #[schema(value_type = schema::TreeHash)]
    root: String,
    /// When it was signed.
    #[schema(value_type = schema::Instant)]
    at: UnixMillis,
    /// Which log: its first line, and the name of the key that signed it.
    origin: &'a str,
    /// All of it, signature included.
    #[schema(value_type = schema::Note)]
    note: &'a str,
}

impl<'a> From<&'a StoredCheckpoint> for CheckpointBody<'a> {
    fn from(checkpoint: &'a StoredCheckpoint) -> Self {
        let StoredCheckpoint { size, root, at, note, .. } = checkpoint;
        let origin = note.lines().next().unwrap_or_default();
        Self { size: *size, root: hex::encode(root), at: *at, origin, note }
    }
}

/// The query of `GET /v1/audit/proof`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ProofQuery {
    /// Proves that this event is in the log.
    #[param(value_type = Option<u64>, minimum = 1)]
    seq: Option<String>,
    /// Proves that the log began as it was with so many events.
    #[param(value_type = Option<u64>, minimum = 1)]
    from_size: Option<String>,
    /// With how many events the log is meant; those of the newest checkpoint, where nothing is said.
    #[param(value_type = Option<u64>, minimum = 1)]
    size: Option<String>,
}

/// What is to be proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedProof {
    /// That an event is in the log.
    Event {
        /// Its number.
        seq: u64,
    },
    /// That the log only grew.
    Growth {
        /// Since it had so many events.
        from_size: u64,
    },
}

impl ProofQuery {
    /// What is to be proved, and of the log of which size.
    pub fn into_input(self) -> Result<(AskedProof, Option<u64>), Problem> {
        self.judged().map_err(|invalid| Problem::of_query(Refusal::Invalid(invalid)))
    }

    fn judged(self) -> Result<(AskedProof, Option<u64>), Invalid> {
        let number = |field: &str, text: Option<String>| {
            let refuse = |_| Invalid::new(field, Fault::BadFormat, "must be a number");
            text.map(|text| text.parse::<u64>().map_err(refuse)).transpose()
        };
        let asked = match (number("seq", self.seq)?, number("from_size", self.from_size)?) {
            (Some(seq), None) => AskedProof::Event { seq },
            (None, Some(from_size)) => AskedProof::Growth { from_size },
            (None, None) => return Err(Invalid::new("seq", Fault::Missing, "`seq` or `from_size`")),
            (Some(_), Some(_)) => {
                return Err(Invalid::new("from_size", Fault::Conflicting, "`seq` or `from_size`, not both"));
            }
        };
        Ok((asked, number("size", self.size)?))
    }
}

/// The tree that a proof leads to, as it is answered.
#[derive(Debug, Serialize)]
struct TreeBody<'a> {
    size: u64,
    root: String,
    proof: Vec<String>,
    checkpoint: Option<&'a str>,
}

impl<'a> From<&'a ProvenTree> for TreeBody<'a> {
    fn from(tree: &'a ProvenTree) -> Self {
        Self {
            size: tree.size,
            root: hex::encode(tree.root),
            proof: tree.proof.iter().map(hex::encode).collect(),
            checkpoint: tree.checkpoint.as_ref().map(|checkpoint| checkpoint.note.as_str()),
        }
    }
}

/// A proof that an event is in the log, as it is answered.
#[derive(Debug, Serialize)]
pub struct InclusionBody<'a> {
    seq: u64,
    hash: String,
    #[serde(flatten)]
    tree: TreeBody<'a>,
}

impl<'a> From<&'a InclusionProof> for InclusionBody<'a> {
    fn from(proof: &'a InclusionProof) -> Self {
        Self { seq: proof.seq, hash: hex::encode(proof.hash), tree: (&proof.tree).into() }
    }
}

/// A proof that the log only grew, as it is answered.
#[derive(Debug, Serialize)]
pub struct ConsistencyBody<'a> {
    from_size: u64,
    from_root: String,
    #[serde(flatten)]
    tree: TreeBody<'a>,
}

impl<'a> From<&'a ConsistencyProof> for ConsistencyBody<'a> {
    fn from(proof: &'a ConsistencyProof) -> Self {
        Self { from_size: proof.from_size, from_root: hex::encode(proof.from_root), tree: (&proof.tree).into() }
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
        // What is asked for is told to the log where it is exported.
        Some(text) if text.chars().count() > ASKED_FOR_CHARACTERS => {
            Err(Invalid::new(field, Fault::TooLong, format!("at most {ASKED_FOR_CHARACTERS} characters")))
        }
        text => Ok(text),
    }
}
