//! What the audit log says of a mutation, and the bytes that its hash is made of.
//!
//! An event never holds a secret, a fingerprint or a digest. The log is a Merkle tree over its events
//! ([`merkle`]), whose state is signed from time to time ([`checkpoint`], [`note`]).

pub mod checkpoint;
pub mod export;
pub mod filter;
pub mod merkle;
pub mod note;
pub mod publishing;
pub mod search;

use super::actor::Actor;
use super::text::Reason;
use super::time::UnixMillis;
use keyward_shared::id::{TeamId, WorkspaceId};
use merkle::Hash;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

/// What was done, in the field's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Something new.
    Create,
    /// Renamed, access, APIs or restrictions changed, rotated, regenerated.
    Update,
    /// Archived or deleted.
    Delete,
    /// Stopped, reversibly.
    Disable,
    /// Started again.
    Enable,
    /// A secret was shown again.
    Reveal,
    /// Events or keys were exported.
    Export,
    /// Keys were brought from elsewhere.
    Import,
    /// Somebody signed in.
    Login,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 9] = [
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::Disable,
        Self::Enable,
        Self::Reveal,
        Self::Export,
        Self::Import,
        Self::Login,
    ];

    /// Reads an action as it is shown.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }

    /// The action as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Disable => "Disable",
            Self::Enable => "Enable",
            Self::Reveal => "Reveal",
            Self::Export => "Export",
            Self::Import => "Import",
            Self::Login => "Login",
        }
    }
}

/// What kind of thing it was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// A key.
    ApiKeys,
    /// A workspace.
    Workspaces,
    /// An API of the catalogue.
    Apis,
    /// The deployment's settings.
    Settings,
    /// An admin token.
    Tokens,
    /// A member.
    Members,
    /// A team.
    Teams,
    /// What is published: epochs, restores.
    Snapshots,
    /// The audit log itself.
    AuditLog,
}

impl Entity {
    /// Every entity.
    pub const ALL: [Self; 9] = [
        Self::ApiKeys,
        Self::Workspaces,
        Self::Apis,
        Self::Settings,
        Self::Tokens,
        Self::Members,
        Self::Teams,
        Self::Snapshots,
        Self::AuditLog,
    ];

    /// Reads an entity as it is shown.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|entity| entity.as_str() == text)
    }

    /// The entity as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKeys => "API Keys",
            Self::Workspaces => "Workspaces",
            Self::Apis => "APIs",
            Self::Settings => "Settings",
            Self::Tokens => "Tokens",
            Self::Members => "Members",
            Self::Teams => "Teams",
            Self::Snapshots => "Snapshots",
            Self::AuditLog => "Audit Log",
        }
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Entity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The thing a mutation was about, by identifier and by the name it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its identifier as text.
    pub id: String,
    /// Its name then.
    pub name: String,
}

/// What happened, before and after. Fields that stayed the same are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details(Value);

impl Details {
    /// The details of `operation`, the verb as the API names it.
    pub fn new(operation: &str, before: Option<&Value>, after: Option<&Value>) -> Self {
        let (before, after) = difference(before, after);
        Self(json!({ "operation": operation, "before": before, "after": after }))
    }

    /// The same details with one more fact about the operation itself.
    #[must_use]
    pub fn with(mut self, fact: &str, value: impl Serialize) -> Self {
        if let (Value::Object(object), Ok(value)) = (&mut self.0, serde_json::to_value(value)) {
            object.insert(fact.to_owned(), value);
        }
        self
    }

    /// The details as a JSON object.
    pub const fn as_value(&self) -> &Value {
        &self.0
    }
}

/// One line of the audit log, but for the numbers that the commit gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// To what kind of thing.
    pub entity: Entity,
    /// To which.
    pub target: Target,
    /// In which workspace.
    pub workspace_id: Option<WorkspaceId>,
    /// The team the thing belongs to.
    pub team_id: Option<TeamId>,
    /// Why, as the actor said.
    pub reason: Option<Reason>,
    /// Before and after.
    pub details: Details,
}

/// Why an event has no canonical form. Values of a JSON document always have one.
#[derive(Debug, thiserror::Error)]
#[error("the event has no canonical form")]
pub struct NotCanonical(#[from] serde_json::Error);

impl AuditEvent {
    /// The event as it is read at its place in the log, but for its hash.
    pub fn document(&self, seq: u64, generation: u64) -> Value {
        json!({
            "seq": seq,
            "at": self.at,
            "actor": {
                "kind": self.actor.kind,
                "id": self.actor.id(),
                "name": self.actor.name,
                "ip": self.actor.ip,
                "on_behalf_of": self.actor.on_behalf_of,
            },
            "action": self.action.as_str(),
            "entity": self.entity.as_str(),
            "target": { "id": self.target.id, "name": self.target.name },
            "workspace_id": self.workspace_id,
            "team_id": self.team_id,
            "actor_team_ids": self.actor.team_ids,
            "reason": self.reason,
            "details": self.details.as_value(),
            "request_id": self.actor.request_id,
            "generation": generation,
        })
    }
}

/// The canonical bytes of an event, or of a part of one (RFC 8785).
pub fn canonical(document: &Value) -> Result<Vec<u8>, NotCanonical> {
    Ok(serde_json_canonicalizer::to_vec(document)?)
}

/// The hash that an event has in the log's tree: that of a leaf with its canonical bytes.
pub fn hash(document: &Value) -> Result<Hash, NotCanonical> {
    Ok(merkle::leaf(&canonical(document)?))
}

/// An event that is in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedEvent {
    /// Its number: 1 is the first.
    pub seq: u64,
    /// As it is read, but for its hash.
    pub document: Value,
    /// The hash that is kept of it.
    pub hash: Hash,
}

/// Both sides reduced to the fields in which they differ.
fn difference(before: Option<&Value>, after: Option<&Value>) -> (Value, Value) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let changed = |of: &Map<String, Value>, other: &Map<String, Value>| {
                of.iter()
                    .filter(|(field, value)| other.get(*field) != Some(value))
                    .map(|(field, value)| (field.clone(), value.clone()))
                    .collect::<Map<_, _>>()
            };
            (changed(before, after).into(), changed(after, before).into())
        }
        (before, after) => {
            let side = |value: Option<&Value>| value.cloned().unwrap_or(Value::Null);
            (side(before), side(after))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(details: Details) -> AuditEvent {
        AuditEvent {
            at: UnixMillis::from_millis(1_700_000_000_000),
            actor: Actor::system("init"),
            action: Action::Update,
            entity: Entity::Settings,
            target: Target { id: "settings".to_owned(), name: "settings".to_owned() },
            workspace_id: None,
            team_id: None,
            reason: None,
            details,
        }
    }

    #[test]
    fn details_hold_only_what_changed() {
        let before = json!({ "realm": "API", "ping_path": "/v1/ping" });
        let after = json!({ "realm": "Acme", "ping_path": "/v1/ping" });
        let details = Details::new("patch", Some(&before), Some(&after));
        assert_eq!(
            details.as_value(),
            &json!({ "operation": "patch", "before": { "realm": "API" }, "after": { "realm": "Acme" } })
        );
    }

    #[test]
    fn the_canonical_form_is_held() {
        let details = Details::new("patch", None, Some(&json!({ "b": 1.5, "a": "é" })));
        let bytes = canonical(&event(details).document(7, 9)).expect("canonical");
        assert_eq!(
            String::from_utf8(bytes).expect("text"),
            concat!(
                r#"{"action":"Update","actor":{"id":null,"ip":null,"kind":"system","name":"init","on_behalf_of":null},"#,
                r#""actor_team_ids":[],"at":"2023-11-14T22:13:20Z","details":{"after":{"a":"é","b":1.5},"before":null,"#,
                r#""operation":"patch"},"entity":"Settings","generation":9,"reason":null,"request_id":"","seq":7,"#,
                r#""target":{"id":"settings","name":"settings"},"team_id":null,"workspace_id":null}"#
            )
        );
    }

    #[test]
    fn place_and_content_both_count_in_the_hash() {
        let one = event(Details::new("patch", None, None));
        let mut other = one.clone();
        other.action = Action::Delete;
        let hash_of = |event: &AuditEvent, seq, generation| hash(&event.document(seq, generation)).expect("hash");
        let first = hash_of(&one, 1, 1);
        assert_eq!(first, hash_of(&one, 1, 1));
        for different in [hash_of(&one, 2, 1), hash_of(&one, 1, 2), hash_of(&other, 1, 1)] {
            assert_ne!(first, different);
        }
    }
}
