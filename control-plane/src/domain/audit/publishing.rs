//! What the audit log says of publishing itself: a new epoch, and counters that were raised above a lost
//! history.

use serde::Serialize;
use serde_json::json;

use super::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::actor::Actor;
use crate::domain::time::UnixMillis;

/// Where heads stand, or stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// The epoch.
    pub epoch: u64,
    /// The generation.
    pub generation: u64,
}

/// What Workers KV held when the counters were raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Witnessed {
    /// Its head's epoch and generation.
    #[serde(flatten)]
    pub counters: Counters,
    /// The checkpoint that its head carried.
    pub checkpoint: Option<String>,
}

/// A publisher took the lease and publishes in a new epoch.
pub fn epoch_acquired(at: UnixMillis, holder: &str, before: u64, after: u64) -> AuditEvent {
    let details = Details::new("acquire_epoch", Some(&json!({ "epoch": before })), Some(&json!({ "epoch": after })));
    event(at, "publisher", details.with("holder", holder))
}

/// Epoch and generation were raised above both histories, in this incarnation of the log.
pub fn epoch_raised(
    at: UnixMillis,
    (before, after): (Counters, Counters),
    (incarnation_before, incarnation): (u32, u32),
    kv: Option<&Witnessed>,
    disabled_keys: usize,
) -> AuditEvent {
    let side = |counters: Counters, incarnation: u32| json!({ "epoch": counters.epoch, "generation": counters.generation, "incarnation": incarnation });
    let (before, after) = (side(before, incarnation_before), side(after, incarnation));
    let details = Details::new("raise_epoch", Some(&before), Some(&after))
        .with("incarnation", incarnation)
        .with("kv", kv)
        .with("disabled_keys", disabled_keys);
    event(at, "raise-epoch", details)
}

fn event(at: UnixMillis, command: &str, details: Details) -> AuditEvent {
    AuditEvent {
        at,
        actor: Actor::system(command),
        action: Action::Update,
        entity: Entity::Snapshots,
        target: Target { id: "snapshot".to_owned(), name: "snapshot".to_owned() },
        workspace_id: None,
        team_id: None,
        reason: None,
        details,
    }
}
