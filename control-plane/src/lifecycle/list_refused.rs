//! List who was refused most, a page at a time, and whose the keys are.

use serde::Serialize;

use super::cursor::{ListTag, Position};
use super::{Lifecycle, Listed, Needs, Page, Refusal};
use crate::domain::actor::Actor;
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::key::query::SortValue;
use crate::domain::permission::Permission;
use crate::domain::time::{UnixDay, UnixMillis};
use crate::store::refusals::RefusedQuery;

pub use crate::store::lookup::SecretOwner;
pub use crate::store::refusals::{Refused, RefusedBy, Who};

/// Days that are told of where none are named: today, and yesterday.
const DAYS: i64 = 2;

/// Who is asked for, not yet judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedInput {
    /// By what refusals are summed.
    pub by: RefusedBy,
    /// The first day.
    pub from: Option<UnixDay>,
    /// The day behind the last.
    pub to: Option<UnixDay>,
}

/// A page of those refused most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedPage {
    /// The first day.
    pub from: UnixDay,
    /// The day behind the last.
    pub to: UnixDay,
    /// How often, at most, anybody was refused beyond what is told of them.
    pub untold: u64,
    /// They, and whose the key is or was where there is one.
    pub listed: Listed<(Refused, Option<SecretOwner>)>,
}

/// What a cursor is bound to.
#[derive(Serialize)]
struct Asked {
    by_address: bool,
    from: Option<UnixDay>,
    to: Option<UnixDay>,
}

impl Lifecycle {
    /// One page of those refused most on some days, summed over edges and days.
    pub async fn list_refused(
        &self,
        actor: &Actor,
        input: RefusedInput,
        page: &Page,
        now: UnixMillis,
    ) -> Result<RefusedPage, Refusal> {
        self.admit(actor, Needs::Deployment(Permission::SnapshotRead)).await?;
        let tomorrow = UnixDay::of(now).plus(1);
        // From a day ahead on, nobody was refused yet: no days are no contradiction.
        let to = input.to.unwrap_or_else(|| input.from.map_or(tomorrow, |from| from.max(tomorrow)));
        let from = input.from.unwrap_or(to.plus(-DAYS));
        if from > to {
            return Err(Invalid::new("to", Fault::Conflicting, "before `from`").into());
        }
        let limit = page.limit()?;
        let asked = Asked { by_address: input.by == RefusedBy::Address, from: input.from, to: input.to };
        let tag = ListTag::new("refused", &asked)?;
        let after = match page.position(&tag)? {
            Some(Position { id, .. }) => u32::try_from(id).map_err(|_| Refusal::BadCursor)?,
            None => 0,
        };
        let query = RefusedQuery { by: input.by, from, to, after, limit: limit + 1 };
        let most = self.store.most_refused(&query).await?;
        // Sums rise, so a place is a number and no sum.
        let ranked = (u64::from(after) + 1..).zip(most.refused).collect();
        let listed = Listed::new(ranked, limit, &tag, |(rank, _)| Position { value: SortValue::Millis(0), id: *rank })?;
        let mut view = self.store.look().await?;
        let mut items = Vec::with_capacity(listed.items.len());
        for (_, refused) in listed.items {
            let owner = match &refused.who {
                Who::Key(fingerprint, _) => view.secret_owner(fingerprint).await?,
                Who::Address(_) => None,
            };
            items.push((refused, owner));
        }
        let listed = Listed { items, next_cursor: listed.next_cursor };
        Ok(RefusedPage { from, to, untold: most.untold, listed })
    }
}
