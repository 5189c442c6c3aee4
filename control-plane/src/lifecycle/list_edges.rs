//! List the edges that were heard from, a page at a time.

use super::cursor::{ListTag, Position};
use super::{Lifecycle, Listed, Needs, Page, Refusal};
use crate::domain::actor::Actor;
use crate::domain::key::query::SortValue;
use crate::domain::permission::Permission;
use crate::domain::time::UnixMillis;
use crate::store::EdgePosition;

pub use crate::store::Edge;

/// How long after its last report an edge is listed, in milliseconds.
const LISTED_MS: i64 = 24 * 60 * 60 * 1000;

impl Lifecycle {
    /// One page of the edges heard from in the last 24 hours, the one last heard from first.
    pub async fn list_edges(&self, actor: &Actor, page: &Page, now: UnixMillis) -> Result<Listed<Edge>, Refusal> {
        self.admit(actor, Needs::Deployment(Permission::SnapshotRead)).await?;
        let limit = page.limit()?;
        let tag = ListTag::new("edges", &())?;
        let after = match page.position(&tag)? {
            Some(Position { value: SortValue::Millis(millis), id }) => {
                Some(EdgePosition { seen_at: UnixMillis::from_millis(millis), id })
            }
            Some(_) => return Err(Refusal::BadCursor),
            None => None,
        };
        let since = UnixMillis::from_millis(now.as_millis() - LISTED_MS);
        Listed::new(self.store.edges(since, after, limit + 1).await?, limit, &tag, |edge| Position {
            value: SortValue::Millis(edge.seen_at.as_millis()),
            id: edge.id,
        })
    }
}
