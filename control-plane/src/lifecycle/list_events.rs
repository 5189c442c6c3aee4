//! The audit log, newest event first.

use keyward_shared::id::WorkspaceId;

use super::cursor::{ListTag, Position};
use super::{Lifecycle, Listed, Needs, Page, Refusal, Rights};
use crate::domain::actor::Actor;
use crate::domain::audit::LoggedEvent;
use crate::domain::audit::filter::EventFilter;
use crate::domain::key::query::SortValue;
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
        let query = EventQuery { filter, sees, range: 1..end, order: Order::Newest, limit: limit + 1 };
        let position = |event: &LoggedEvent| Position { value: SortValue::Millis(0), id: event.seq };
        Listed::new(self.store.events(&query).await?, limit, &tag, position)
    }
}

/// The only workspace whose events they see, none where they see all; refused where they see none, or not
/// those of the workspace that is asked for.
pub(super) fn events_seen(rights: &Rights, asked: Option<WorkspaceId>) -> Result<Option<WorkspaceId>, Refusal> {
    let permission = Permission::AuditRead;
    rights.admit(asked.map_or(Needs::Deployment(permission), |workspace| Needs::In(workspace, permission)))?;
    Ok(rights.workspace())
}
