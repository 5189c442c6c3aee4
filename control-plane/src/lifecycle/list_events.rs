//! The audit log, newest event first.

use keyward_shared::id::WorkspaceId;

use super::cursor::{ListTag, Position};
use super::{Lifecycle, Listed, Needs, Page, Refusal, Rights};
use crate::domain::actor::Actor;
use crate::domain::audit::LoggedEvent;
use crate::domain::audit::filter::EventFilter;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::query::SortValue;
use crate::domain::limits::PLACES_OF_BEGINNINGS;
use crate::domain::permission::Permission;
use crate::store::{EventQuery, Order};

impl Lifecycle {
    /// One page of the events that a filter leaves, as far as whoever asks sees them.
    pub async fn list_events(
        &self,
        actor: &Actor,
        filter: EventFilter,
        page: &Page,
    ) -> Result<Listed<LoggedEvent>, Refusal> {
        let sees = events_seen(&self.rights(actor).await?, filter.workspace)?;
        let limit = page.limit()?;
        let tag = ListTag::new("audit events", &(sees, &filter))?;
        let end = page.position(&tag)?.map_or(u64::MAX, |position| position.id);
        check_places(self.store.places(&filter.words, MOST).await?, "q")?;
        let query = EventQuery { filter, sees, range: 1..end, order: Order::Newest, limit: limit + 1 };
        let position = |event: &LoggedEvent| Position { value: SortValue::Millis(0), id: event.seq };
        Listed::new(self.store.events(&query).await?, limit, &tag, position)
    }
}

/// So many places are counted at which words begin as those that are asked for.
pub(super) const MOST: u32 = PLACES_OF_BEGINNINGS + 1;

/// Refuses to search for words of which too many begin so.
pub(super) fn check_places(places: u32, field: &str) -> Result<(), Invalid> {
    if places < MOST {
        return Ok(());
    }
    let detail = format!("words begin so in more than {PLACES_OF_BEGINNINGS} places of the log: give more of them");
    Err(Invalid::new(field, Fault::TooMany, detail))
}

/// The only workspace whose events they see, none where they see all; refused where they see none, or not
/// those of the workspace that is asked for.
pub(super) fn events_seen(rights: &Rights, asked: Option<WorkspaceId>) -> Result<Option<WorkspaceId>, Refusal> {
    let permission = Permission::AuditRead;
    rights.admit(asked.map_or(Needs::Deployment(permission), |workspace| Needs::In(workspace, permission)))?;
    Ok(rights.workspace())
}
