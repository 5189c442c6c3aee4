//! What a key's secrets mean to an edge, and which of them a transition touched.

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::MemberId;
use keyward_shared::policy::{Access, Apis, Restrictions};
use keyward_shared::record::{Deadline, Slot};

use super::{Key, Life};
use crate::domain::change::Touched;
use crate::domain::restrictions::only_widened;
use crate::domain::time::UnixSeconds;

/// One secret that is not final, as the snapshot tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect<'a> {
    /// The secret.
    pub fingerprint: Fingerprint,
    /// Current or retiring.
    pub slot: Slot,
    /// Until when it is accepted.
    pub deadline: Deadline,
    /// The key is disabled.
    pub disabled: bool,
    /// The retiring secret is paused.
    pub paused: bool,
    /// The member the key belongs to.
    pub member: MemberId,
    /// Read-only or read-write.
    pub access: Access,
    /// The APIs granted.
    pub apis: &'a Apis,
    /// From where it may be used.
    pub restrictions: &'a Restrictions,
}

impl Key {
    /// The key's secrets that are not final: none, the current one, or the current and the retiring
    /// one.
    pub fn effects(&self) -> impl Iterator<Item = Effect<'_>> {
        let live = match &self.life {
            Life::Live(live) => Some(live),
            Life::Archived { .. } | Life::Deleted { .. } => None,
        };
        live.into_iter().flat_map(move |live| {
            let effect = move |fingerprint, slot, deadline: Option<UnixSeconds>, paused| Effect {
                fingerprint,
                slot,
                deadline: deadline.map_or(Deadline::NEVER, |deadline| Deadline::at_seconds(deadline.as_seconds())),
                disabled: live.disabled,
                paused,
                member: self.member_id,
                access: self.access,
                apis: &self.apis,
                restrictions: &self.restrictions,
            };
            let current = effect(live.current.fingerprint, Slot::Current, self.expires_at, false);
            let retiring = live.rotation.as_ref().map(|rotation| {
                let until = rotation.previous_valid_until;
                let deadline = self.expires_at.map_or(until, |expiry| expiry.min(until));
                effect(rotation.retiring.fingerprint, Slot::Retiring, Some(deadline), rotation.paused)
            });
            core::iter::once(current).chain(retiring)
        })
    }
}

impl Effect<'_> {
    /// Whether everything that this let pass `after` lets pass too, and as the same principal.
    fn only_widened(&self, after: &Effect<'_>) -> bool {
        let apis = match (self.apis, after.apis) {
            (_, Apis::All) => true,
            (Apis::All, Apis::Only(_)) => false,
            (Apis::Only(before), Apis::Only(after)) => before.iter().all(|number| after.contains(number)),
        };
        apis && self.deadline.to_u32() <= after.deadline.to_u32()
            && (self.disabled || !after.disabled)
            && (self.paused || !after.paused)
            && self.member == after.member
            && (self.access == after.access || after.access == Access::ReadWrite)
            && only_widened(self.restrictions, after.restrictions)
    }
}

/// The secrets whose place in the snapshot is another after a change; `before` is absent for a new
/// key. A secret is judged against its own state right before, never against whether it was usable:
/// an edge may hold a much older one.
pub fn touched(before: Option<&Key>, after: &Key) -> Vec<Touched> {
    let old: Vec<Effect<'_>> = before.into_iter().flat_map(Key::effects).collect();
    let new: Vec<Effect<'_>> = after.effects().collect();
    let gone = old
        .iter()
        .filter(|effect| new.iter().all(|other| other.fingerprint != effect.fingerprint))
        .map(|effect| Touched { fingerprint: effect.fingerprint, narrowing: true });
    let changed = new.iter().filter_map(|effect| {
        let fingerprint = effect.fingerprint;
        match old.iter().find(|other| other.fingerprint == fingerprint) {
            None => Some(Touched { fingerprint, narrowing: false }),
            Some(same) if same == effect => None,
            Some(earlier) => Some(Touched { fingerprint, narrowing: !earlier.only_widened(effect) }),
        }
    });
    gone.chain(changed).collect()
}
