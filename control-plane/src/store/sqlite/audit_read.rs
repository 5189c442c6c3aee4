//! Parts of the log: found by the facets and words of `audit_search`, or read in their order.
//!
//! Whatever is asked for, events are met in the order of their numbers, so that a page ends where it is full.

#[cfg(test)]
mod tests;

use core::ops::Range;

use keyward_shared::id::{TeamId, WorkspaceId};
use sqlx::SqliteConnection;

use super::error::failed;
use super::event_row::EventRow;
use super::log::{CheckpointRow, HOUR};
use crate::domain::audit::filter::EventFilter;
use crate::domain::audit::search::Facet;
use crate::domain::audit::{Action, Entity, LoggedEvent};
use crate::domain::time::UnixMillis;
use crate::store::StoreError;
use crate::store::audit::{CheckpointPosition, EventQuery, Order, StoredCheckpoint};

const BOUNDS: &str = include_str!("sql/audit_bounds.sql");
const READ: &str = concat!(include_str!("sql/event_select.sql"), include_str!("sql/audit_read.sql"));
const READ_UP: &str = concat!(include_str!("sql/event_select.sql"), include_str!("sql/audit_read_up.sql"));
const FOUND: &str = concat!(include_str!("sql/event_select.sql"), include_str!("sql/audit_found.sql"));
const FOUND_UP: &str = concat!(include_str!("sql/event_select.sql"), include_str!("sql/audit_found_up.sql"));
const CHECKPOINTS: &str = concat!(include_str!("sql/checkpoint_select.sql"), include_str!("sql/checkpoint_page.sql"));

/// The events that a query is about.
pub(super) async fn events(conn: &mut SqliteConnection, query: &EventQuery) -> Result<Vec<LoggedEvent>, StoreError> {
    let EventQuery { filter, sees, range, order, limit } = query;
    let range = bounded(conn, filter, range).await?;
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let expression = expression(filter, *sees);
    let statement = match (expression.is_some(), order) {
        (false, Order::Newest) => READ,
        (false, Order::Oldest) => READ_UP,
        (true, Order::Newest) => FOUND,
        (true, Order::Oldest) => FOUND_UP,
    };
    let mut found = sqlx::query_as(statement)
        .bind(range.start)
        .bind(range.end)
        .bind(filter.from.map(UnixMillis::as_millis))
        .bind(filter.to.map(UnixMillis::as_millis))
        .bind(limit);
    if let Some(expression) = expression {
        found = found
            .bind(expression)
            .bind(sees.map(of_workspace))
            .bind(filter.workspace.map(of_workspace))
            .bind(&filter.actor)
            .bind(&filter.target);
    }
    let rows: Vec<EventRow> = found.fetch_all(conn).await.map_err(failed)?;
    rows.into_iter().map(EventRow::read).collect()
}

fn of_workspace(id: WorkspaceId) -> i64 {
    id.as_u64().cast_signed()
}

/// The numbers that events of the filter's time can have.
async fn bounded(
    conn: &mut SqliteConnection,
    filter: &EventFilter,
    range: &Range<u64>,
) -> Result<Range<i64>, StoreError> {
    let hour = |at: UnixMillis| at.as_millis().div_euclid(HOUR);
    let (pruned, first, last): (i64, Option<i64>, Option<i64>) = sqlx::query_as(BOUNDS)
        .bind(filter.from.map_or(i64::MIN, hour))
        .bind(filter.to.map_or(i64::MAX, hour))
        .bind(filter.from.is_some() || filter.to.is_some())
        .fetch_one(conn)
        .await
        .map_err(failed)?;
    let signed = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
    let hours = match (first, last) {
        (Some(first), Some(last)) => first..last.saturating_add(1),
        _ if filter.from.is_some() || filter.to.is_some() => 0..0,
        _ => 0..i64::MAX,
    };
    let start = signed(range.start).max(pruned + 1).max(hours.start);
    Ok(start..signed(range.end).min(hours.end))
}

/// What the index is asked, in its own language: each value is a word that was cut out or a number in
/// hexadecimal. None where the index knows nothing of what is asked.
///
/// Facets and whole words are walked together, so that the fewest hits bound the work. Of a beginning FTS5 gathers
/// all hits first, those of other workspaces too, whatever else is asked (25 ms for 200,000 of them, with the
/// workspace or without), which is why there are at most two. Each word once more under its workspace would bound
/// that as well, with an index nearly twice as large and half as many events written a second.
fn expression(filter: &EventFilter, sees: Option<WorkspaceId>) -> Option<String> {
    let one = |facet: Facet, value: Option<&str>| value.map(|value| vec![facet.word(value)]);
    let teams = |facet: Facet, ids: &[TeamId]| {
        (!ids.is_empty()).then(|| ids.iter().map(|id| facet.word(&id.to_string())).collect::<Vec<_>>())
    };
    let facets = [
        one(Facet::Workspace, sees.map(|id| id.to_string()).as_deref()),
        one(Facet::Workspace, filter.workspace.map(|id| id.to_string()).as_deref()),
        teams(Facet::Team, &filter.teams),
        teams(Facet::ActorTeam, &filter.actor_teams),
        one(Facet::Action, filter.action.map(Action::as_str)),
        one(Facet::Actor, filter.actor.as_deref()),
        one(Facet::Entity, filter.entity.map(Entity::as_str)),
        one(Facet::Target, filter.target.as_deref()),
    ];
    let facets = facets.into_iter().flatten().map(|words| format!("facets : ({})", words.join(" OR ")));
    let words = filter.words.iter().map(|word| format!("words : ({})", word.term()));
    let all: Vec<String> = facets.chain(words).collect();
    (!all.is_empty()).then(|| all.join(" AND "))
}

/// Checkpoints made in a range of time, and their neighbours.
pub(super) async fn checkpoints(
    conn: &mut SqliteConnection,
    times: Range<UnixMillis>,
    after: Option<CheckpointPosition>,
    limit: u16,
) -> Result<Vec<StoredCheckpoint>, StoreError> {
    let after = after.unwrap_or(CheckpointPosition { at: UnixMillis::from_millis(i64::MIN), incarnation: 0, size: 0 });
    let rows: Vec<CheckpointRow> = sqlx::query_as(CHECKPOINTS)
        .bind(times.start.as_millis())
        .bind(times.end.as_millis())
        .bind(after.at.as_millis())
        .bind(after.incarnation)
        .bind(i64::try_from(after.size).unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    rows.into_iter().map(CheckpointRow::read).collect()
}
