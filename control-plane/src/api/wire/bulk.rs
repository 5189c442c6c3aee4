//! Bulk changes on the wire.

use keyward_shared::id::{KeyId, WorkspaceId};
use serde::{Deserialize, Serialize};

use super::{instant, reasoned};
use crate::api::problem::Problem;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::time::UnixMillis;
use crate::lifecycle::{BulkAction, BulkDone, BulkKey, BulkKeys, BulkOutcome, BulkTarget, KeyListInput};

/// The body of `POST …/keys/bulk`: `ids` or `filter`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkRequest {
    /// These keys.
    pub ids: Option<Vec<KeyId>>,
    /// The keys that the list has under these filters.
    pub filter: Option<WireFilter>,
    /// Behind the keys of an earlier answer to this filter.
    pub cursor: Option<String>,
    /// What is done to each.
    pub action: WireAction,
    /// Whether it is only said what would be done.
    pub dry_run: Option<bool>,
    /// Why, for the audit log.
    pub reason: Option<String>,
}

reasoned!(BulkRequest);

/// `action` as it is sent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireAction {
    /// It stops, reversibly.
    Disable,
    /// It starts again.
    Enable,
    /// It ends.
    Delete,
}

/// `filter` as it is sent: the filters of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireFilter {
    status: Option<String>,
    name: Option<String>,
    member: Option<String>,
    team: Option<String>,
    access: Option<String>,
    api: Option<String>,
    environment: Option<String>,
    last_used_before: Option<String>,
    expires_before: Option<String>,
    rotation_due: Option<bool>,
    external_id: Option<String>,
}

impl BulkRequest {
    /// The change that is asked for, times read.
    pub fn into_verb(self, workspace: WorkspaceId) -> Result<BulkKeys, Invalid> {
        let refuse = |field: &str, fault, detail: &str| Err(Invalid::new(field, fault, detail));
        let target = match (self.ids, self.filter, self.cursor) {
            (Some(_), Some(_), _) => return refuse("filter", Fault::Conflicting, "give this or `ids`"),
            (None, None, _) => return refuse("ids", Fault::Missing, "give this or `filter`"),
            (Some(_), None, Some(_)) => return refuse("cursor", Fault::Conflicting, "goes with `filter` only"),
            (Some(ids), None, None) => BulkTarget::Ids(ids),
            (None, Some(filter), cursor) => BulkTarget::Filter { filter: Box::new(filter.into_input()?), cursor },
        };
        Ok(BulkKeys { workspace, target, action: self.action.into() })
    }
}

impl WireFilter {
    fn into_input(self) -> Result<KeyListInput, Invalid> {
        let at = |field: &str, text: Option<String>| text.map(|text| instant(field, &text)).transpose();
        Ok(KeyListInput {
            status: self.status,
            name: self.name,
            member: self.member,
            team: self.team,
            access: self.access,
            api: self.api,
            environment: self.environment,
            last_used_before: at("filter.last_used_before", self.last_used_before)?,
            expires_before: at("filter.expires_before", self.expires_before)?,
            rotation_due: self.rotation_due,
            external_id: self.external_id,
            sort: None,
        })
    }
}

impl From<WireAction> for BulkAction {
    fn from(action: WireAction) -> Self {
        match action {
            WireAction::Disable => Self::Disable,
            WireAction::Enable => Self::Enable,
            WireAction::Delete => Self::Delete,
        }
    }
}

/// What a bulk change did, or would do.
#[derive(Debug, Serialize)]
pub struct BulkBody {
    action: &'static str,
    /// How many keys there are of those that were asked for.
    matched: usize,
    changed: usize,
    more: bool,
    next_cursor: Option<String>,
    keys: Vec<BulkKeyBody>,
    #[serde(flatten)]
    end: BulkEnd,
}

/// What tells a change from a preview of it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum BulkEnd {
    /// It was done.
    Done {
        /// The first generation that carries it.
        generation: u64,
    },
    /// It would be done.
    Previewed {
        /// Up to when it is known what was used.
        usage_known_until: Option<UnixMillis>,
        /// Whether every call is known that would have kept a key from being found by its last use.
        usage_complete: Option<bool>,
        /// As `If-Match`, it is done as it was shown or not at all.
        etag: String,
    },
}

#[derive(Debug, Serialize)]
struct BulkKeyBody {
    id: KeyId,
    name: Option<String>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

impl BulkBody {
    /// Words what was done to each key.
    pub fn new(done: BulkDone, end: BulkEnd) -> Self {
        Self {
            action: done.action.as_str(),
            matched: done.keys.iter().filter(|key| key.name.is_some()).count(),
            changed: done.keys.iter().filter(|key| matches!(key.outcome, BulkOutcome::Changed)).count(),
            more: done.next_cursor.is_some(),
            next_cursor: done.next_cursor,
            keys: done.keys.into_iter().map(BulkKeyBody::from).collect(),
            end,
        }
    }
}

impl From<BulkKey> for BulkKeyBody {
    fn from(key: BulkKey) -> Self {
        Self {
            id: key.id,
            name: key.name.map(|name| name.as_str().to_owned()),
            outcome: key.outcome.as_str(),
            code: match key.outcome {
                BulkOutcome::Changed | BulkOutcome::Unchanged => None,
                // The code that a request for this key alone would be refused with.
                BulkOutcome::Refused(refusal) => Some(Problem::from(refusal).code().as_str()),
            },
        }
    }
}
