//! Which keys a bulk change is about.

use std::collections::{HashMap, HashSet};

use keyward_shared::id::{KeyId, WorkspaceId};

use super::{BulkAction, BulkKeys, BulkTarget};
use crate::domain::api::Catalogue;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::query::{KeyPosition, KeyQuery, KeySort};
use crate::domain::limits::BULK_KEYS;
use crate::domain::text::{ExternalId, Name};
use crate::lifecycle::cursor::{ListTag, Listed, Page, Position};
use crate::lifecycle::list_keys::{KeyListInput, narrow};
use crate::lifecycle::{Call, Refusal};
use crate::store::{StoredKey, Tx};

/// The keys, in order, as far as they exist.
pub(super) struct Selected {
    pub(super) keys: Vec<(KeyId, Option<StoredKey>)>,
    /// Behind the last of them, where the filter finds more.
    pub(super) next_cursor: Option<String>,
}

pub(super) async fn select(
    verb: &BulkKeys,
    tx: &mut dyn Tx,
    call: Call<'_>,
    catalogue: &Catalogue,
) -> Result<Selected, Refusal> {
    match &verb.target {
        BulkTarget::Ids(ids) => named(tx, verb.workspace, ids).await,
        BulkTarget::Filter { filter, cursor } => {
            let page = Page { limit: None, cursor: cursor.clone() };
            found(verb, tx, call, filter, &page, catalogue).await
        }
    }
}

/// The keys that are named.
async fn named(tx: &mut dyn Tx, workspace: WorkspaceId, ids: &[KeyId]) -> Result<Selected, Refusal> {
    const FIELD: &str = "ids";
    if ids.is_empty() {
        return Err(Invalid::new(FIELD, Fault::TooShort, "names no key").into());
    }
    if ids.len() > usize::from(BULK_KEYS) {
        let detail = format!("{} keys, at most {BULK_KEYS}", ids.len());
        return Err(Invalid::new(FIELD, Fault::TooMany, detail).into());
    }
    let mut seen = HashSet::new();
    if let Some(index) = ids.iter().position(|id| !seen.insert(id)) {
        return Err(Invalid::at(FIELD, index, Fault::Duplicate, "is in the list already").into());
    }
    let stored = tx.keys_by_ids(workspace, ids).await?;
    let mut stored: HashMap<KeyId, StoredKey> = stored.into_iter().map(|stored| (stored.key.id, stored)).collect();
    let keys = ids.iter().map(|id| (*id, stored.remove(id))).collect();
    Ok(Selected { keys, next_cursor: None })
}

/// The keys that the filter finds, that whoever acts sees, and that are not yet as wanted.
async fn found(
    verb: &BulkKeys,
    tx: &mut dyn Tx,
    call: Call<'_>,
    input: &KeyListInput,
    page: &Page,
    catalogue: &Catalogue,
) -> Result<Selected, Refusal> {
    const FIELD: &str = "filter";
    let seen = call.rights.keys_seen(verb.workspace)?;
    if *input == KeyListInput::default() {
        return Err(Invalid::new(FIELD, Fault::Missing, "name at least one condition").into());
    }
    // The audit log tells the filter as it was worded: no more than what could be found.
    input.name.as_ref().map(|name| Name::parse("filter.name", name)).transpose()?;
    input.external_id.as_ref().map(|id| ExternalId::parse("filter.external_id", id)).transpose()?;
    let mut filter = input
        .filter(catalogue)
        .map_err(|invalid| Invalid { field: format!("{FIELD}.{}", invalid.field), ..invalid })?;
    filter.disabled = match verb.action {
        BulkAction::Disable => Some(false),
        BulkAction::Enable => Some(true),
        BulkAction::Delete => None,
    };
    let sort = KeySort::default();
    let tag = ListTag::new("bulk", &(verb.workspace, &filter, verb.action.as_str()))?;
    let refuse = || Invalid::new("cursor", Fault::BadFormat, "not from an answer to this filter and action");
    let after = match page.position(&tag).map_err(|_| refuse())? {
        Some(Position { value, id }) if sort.fits(&value) => Some(KeyPosition { value, id: KeyId::from_u64(id) }),
        Some(_) => return Err(refuse().into()),
        None => None,
    };
    if !narrow(&mut filter, seen) {
        return Ok(Selected { keys: Vec::new(), next_cursor: None });
    }
    // One more than are taken says that there are more.
    let limit = BULK_KEYS + 1;
    let query = KeyQuery { workspace_id: verb.workspace, filter, sort, after, limit, now: call.context.now };
    let keys = tx.keys_page(&query).await?;
    let Listed { items, next_cursor } = Listed::new(keys, BULK_KEYS, &tag, |stored: &StoredKey| Position {
        value: stored.key.sort_value(sort.by),
        id: stored.key.id.as_u64(),
    })?;
    Ok(Selected { keys: items.into_iter().map(|stored| (stored.key.id, Some(stored))).collect(), next_cursor })
}
