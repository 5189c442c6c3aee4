//! Disable, enable or delete many keys in one transaction: those that are named, or those that a
//! filter finds.
//!
//! Each key is judged by itself: what one of them refuses does not hold up the others. A filter finds
//! only what is not yet as wanted, so that asking again goes on with what is left.

mod selection;

use async_trait::async_trait;
use keyward_shared::id::{KeyId, WorkspaceId};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::context::{Context, PlanDigest};
use super::list_keys::KeyListInput;
use super::refusal::Missing;
use super::{Call, Needs, Refusal, Verb, key_support};
use crate::domain::audit::{Action, AuditEvent, Details, Entity, Target};
use crate::domain::change::Change;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::Key;
use crate::domain::key::effect::touched;
use crate::domain::key::transition::KeyRefusal;
use crate::domain::permission::Permission;
use crate::domain::text::Name;
use crate::domain::time::UnixMillis;
use crate::domain::usage::Reported;
use crate::domain::workspace::Workspace;
use crate::store::{StoredKey, Tx};

/// Does one thing to many keys.
pub struct BulkKeys {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// To which keys.
    pub target: BulkTarget,
    /// What is done to each.
    pub action: BulkAction,
}

/// Which keys, not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkTarget {
    /// These.
    Ids(Vec<KeyId>),
    /// Those that the list has under these filters.
    Filter {
        /// The filters: at least one, and no order.
        filter: Box<KeyListInput>,
        /// Behind the keys of an earlier answer.
        cursor: Option<String>,
    },
}

/// What is done to each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BulkAction {
    /// It stops, reversibly.
    Disable,
    /// It starts again.
    Enable,
    /// It ends.
    Delete,
}

/// What was done.
pub struct BulkDone {
    /// What was to be done to each key.
    pub action: BulkAction,
    /// What became of each, in the order they were named in, or the newest first.
    pub keys: Vec<BulkKey>,
    /// Where to go on with what else the filter finds.
    pub next_cursor: Option<String>,
    /// The workspace's version.
    pub version: u64,
    /// A digest of what became of each.
    pub plan: PlanDigest,
}

/// What became of one key.
pub struct BulkKey {
    /// Which.
    pub id: KeyId,
    /// Its name, unless there is no such key for whoever acts.
    pub name: Option<Name>,
    /// What became of it.
    pub outcome: BulkOutcome,
}

/// What became of a key.
#[derive(Debug)]
pub enum BulkOutcome {
    /// It was done.
    Changed,
    /// It was so already.
    Unchanged,
    /// It was not done.
    Refused(Refusal),
}

#[async_trait]
impl Verb for BulkKeys {
    type Answer = BulkDone;

    fn needs(&self) -> Needs {
        Needs::In(self.workspace, self.action.permission())
    }

    fn is_bulk(&self) -> bool {
        true
    }

    async fn apply(self, tx: &mut dyn Tx, call: Call<'_>) -> Result<(BulkDone, Change), Refusal> {
        let workspace = key_support::workspace(tx, self.workspace).await?;
        let catalogue = tx.catalogue().await?;
        let selected = selection::select(&self, tx, call, &catalogue).await?;
        let (mut keys, mut changes) = (Vec::new(), Vec::new());
        let mut plan = Sha256::new().chain_update(self.action.as_str());
        for (id, stored) in selected.keys {
            let (key, change) = self.judge(call, &workspace, id, stored);
            let version = change.as_ref().map_or(0, |(before, _)| before.version);
            plan.update(id.as_u64().to_be_bytes());
            plan.update(version.to_be_bytes());
            plan.update(key.outcome.as_str());
            keys.push(key);
            changes.extend(change);
        }
        let plan: [u8; 32] = plan.finalize().into();
        let plan = core::array::from_fn(|at| plan[at]);
        call.context.check_plan(workspace.version, plan)?;

        let mut change = Change::new(tx.generation(), self.event(call, &workspace, &keys));
        for (before, after) in changes {
            tx.update_key(&after, call.context.now).await?;
            if !after.is_refused_alike(&before) {
                tx.forget_denials(after.id, call.context.now).await?;
            }
            let facts = (before.facts(&catalogue), after.facts(&catalogue));
            let details = Details::new(self.action.as_str(), Some(&facts.0), Some(&facts.1));
            let event = key_support::event(call, &after, self.action.audited(), details);
            change = change.with_event(event).touching(touched(Some(&before), &after));
        }
        let Self { action, .. } = self;
        let next_cursor = selected.next_cursor;
        Ok((BulkDone { action, keys, next_cursor, version: workspace.version, plan }, change))
    }
}

impl BulkKeys {
    /// Refuses to change keys by when they were last used, unless every call since then is known of, or
    /// whoever acts has looked at a preview: a key in use looks like one that never was.
    pub fn check_usage(&self, context: &Context, reported: Reported) -> Result<(), Invalid> {
        const FIELD: &str = "filter.last_used_before";
        if self.is_usage_complete(reported, context.now) != Some(false) || context.is_of_preview() {
            return Ok(());
        }
        let detail = "it is not known which keys were used since then, and those of which nothing is known are found, \
            too: look at a dry run, and send its `etag` as `If-Match`";
        Err(Invalid::new(FIELD, Fault::Conflicting, detail))
    }

    /// Whether every call is known that would have kept a key from being found by its last use; none where
    /// keys are found otherwise.
    pub fn is_usage_complete(&self, reported: Reported, now: UnixMillis) -> Option<bool> {
        let BulkTarget::Filter { filter, .. } = &self.target else { return None };
        filter.last_used_before.map(|before| reported.covers_all(before, now))
    }

    /// What becomes of one key, and the key before and after where it changes.
    fn judge(
        &self,
        call: Call<'_>,
        workspace: &Workspace,
        id: KeyId,
        stored: Option<StoredKey>,
    ) -> (BulkKey, Option<(Key, Key)>) {
        let name = stored.as_ref().map(|stored| stored.key.name.clone());
        match stored.ok_or(Refusal::NotFound(Missing::Key)).and_then(|stored| self.step(call, workspace, stored)) {
            Ok(Some(change)) => (BulkKey { id, name, outcome: BulkOutcome::Changed }, Some(change)),
            Ok(None) => (BulkKey { id, name, outcome: BulkOutcome::Unchanged }, None),
            Err(refusal) => {
                // What is not theirs to see reads as if it were not there.
                let name = name.filter(|_| !matches!(refusal, Refusal::NotFound(_)));
                (BulkKey { id, name, outcome: BulkOutcome::Refused(refusal) }, None)
            }
        }
    }

    /// The key before and after; nothing where it is as wanted already, whatever time has done to it.
    fn step(&self, call: Call<'_>, workspace: &Workspace, stored: StoredKey) -> Result<Option<(Key, Key)>, Refusal> {
        let now = call.context.now;
        let permission = self.action.permission();
        call.rights.key(&stored.key, permission)?;
        key_support::check_start(workspace, &stored, permission)?;
        let before = stored.key;
        let mut after = self.action.step(before.clone(), now)?;
        if after == before.clone().settle(now) {
            return Ok(None);
        }
        after.version = before.version + 1;
        Ok(Some((before, after)))
    }

    /// What the audit log says of the whole; each key that changed has an event of its own beside it.
    fn event(&self, call: Call<'_>, workspace: &Workspace, keys: &[BulkKey]) -> AuditEvent {
        let mut details = Details::new(self.action.operation(), None, None);
        for outcome in ["changed", "unchanged", "refused"] {
            details = details.with(outcome, keys.iter().filter(|key| key.outcome.as_str() == outcome).count());
        }
        let details = match &self.target {
            BulkTarget::Ids(ids) => details.with("ids", ids.len()),
            BulkTarget::Filter { filter, .. } => details.with("filter", conditions(filter)),
        };
        let target = Target { id: workspace.id.to_string(), name: workspace.name.as_str().to_owned() };
        AuditEvent {
            workspace_id: Some(workspace.id),
            ..call.context.event(self.action.audited(), Entity::ApiKeys, target, details)
        }
    }
}

/// The filters that are given, as they were worded.
fn conditions(filter: &KeyListInput) -> Value {
    let mut conditions = serde_json::to_value(filter).unwrap_or_default();
    if let Value::Object(conditions) = &mut conditions {
        conditions.retain(|_, value| !value.is_null());
    }
    conditions
}

impl BulkAction {
    /// The action as requests word it, and as the audit log calls it for one key.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Delete => "delete",
        }
    }

    /// What the audit log calls it for all keys together.
    const fn operation(self) -> &'static str {
        match self {
            Self::Disable => "bulk_disable",
            Self::Enable => "bulk_enable",
            Self::Delete => "bulk_delete",
        }
    }

    const fn permission(self) -> Permission {
        match self {
            Self::Disable => Permission::KeyStop,
            Self::Enable => Permission::KeyStart,
            Self::Delete => Permission::KeyEnd,
        }
    }

    const fn audited(self) -> Action {
        match self {
            Self::Disable => Action::Disable,
            Self::Enable => Action::Enable,
            Self::Delete => Action::Delete,
        }
    }

    fn step(self, key: Key, now: UnixMillis) -> Result<Key, KeyRefusal> {
        match self {
            Self::Disable => key.disable(now),
            Self::Enable => key.enable(now),
            Self::Delete => key.delete(now),
        }
    }
}

impl BulkOutcome {
    /// The outcome as it is answered.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Refused(_) => "refused",
        }
    }
}
