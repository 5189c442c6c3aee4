//! Events as they are read back: one reading for lists, exports, proofs and the tree itself.

use keyward_shared::id::{TeamId, WorkspaceId};
use serde_json::{Value, json};
use sqlx::FromRow;

use crate::domain::audit::{LoggedEvent, canonical};
use crate::domain::time::UnixMillis;
use crate::store::StoreError;
use crate::verify::FoundEvent;

/// A row as `event_select.sql` gives it.
#[derive(FromRow)]
pub(super) struct EventRow {
    seq: i64,
    at: i64,
    actor_kind: String,
    actor_id: Option<String>,
    actor_name: String,
    actor_ip: Option<String>,
    on_behalf_of: Option<String>,
    action: String,
    entity: String,
    target_id: String,
    target_name: String,
    workspace_id: Option<i64>,
    team_id: Option<i64>,
    actor_team_ids: String,
    reason: Option<String>,
    details: String,
    request_id: String,
    generation: i64,
    hash: Vec<u8>,
}

impl EventRow {
    pub(super) const fn at(&self) -> UnixMillis {
        UnixMillis::from_millis(self.at)
    }

    /// The event as somebody reads it who trusts nobody: what is kept as JSON must be spelled as it is
    /// written here, for other texts would read the same.
    pub(super) fn read_strictly(self) -> Result<FoundEvent, StoreError> {
        let (teams, details) = (self.actor_team_ids.clone(), self.details.clone());
        let LoggedEvent { seq, document, hash } = self.read()?;
        let is_exact = |text: &str, what: &str| canonical(&document[what]).is_ok_and(|exact| exact == text.as_bytes());
        let inexact = [("details", details), ("actor_team_ids", teams)];
        let inexact = inexact.into_iter().find(|(what, text)| !is_exact(text, what)).map(|(what, _)| what);
        Ok(FoundEvent { seq, document, told: hash, inexact, leaf: None, proof: Vec::new() })
    }

    /// The event, in the shape of `AuditEvent::document`.
    pub(super) fn read(self) -> Result<LoggedEvent, StoreError> {
        let parse = |text: &str, what| serde_json::from_str::<Value>(text).map_err(|_| StoreError::corrupt(what));
        let seq = self.seq.cast_unsigned();
        let document = json!({
            "seq": seq,
            "at": UnixMillis::from_millis(self.at),
            "actor": {
                "kind": self.actor_kind,
                "id": self.actor_id,
                "name": self.actor_name,
                "ip": self.actor_ip,
                "on_behalf_of": self.on_behalf_of,
            },
            "action": self.action,
            "entity": self.entity,
            "target": { "id": self.target_id, "name": self.target_name },
            "workspace_id": self.workspace_id.map(|id| WorkspaceId::from_u64(id.cast_unsigned())),
            "team_id": self.team_id.map(|id| TeamId::from_u64(id.cast_unsigned())),
            "actor_team_ids": parse(&self.actor_team_ids, "audit_event.actor_team_ids")?,
            "reason": self.reason,
            "details": parse(&self.details, "audit_event.details")?,
            "request_id": self.request_id,
            "generation": self.generation.cast_unsigned(),
        });
        let hash = self.hash.try_into().map_err(|_| StoreError::corrupt("audit_event.hash"))?;
        Ok(LoggedEvent { seq, document, hash })
    }
}
