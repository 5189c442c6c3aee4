//! The truth: what every fingerprint's state is and was at each generation.

use std::collections::BTreeMap;

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::policy::{Access, Apis, Policy};
use keyward_shared::record::{Deadline, Record, Slot};

use crate::fixtures::{self, fingerprint};

/// A secret's record and policy, or `None` where it is not (or no longer) in the snapshot.
pub(crate) type State = Option<(Record, Policy)>;

/// How many fingerprints the model plays with.
const FINGERPRINTS: u8 = 12;

/// All of them: pairs that share their leading bits, spread evenly.
pub(crate) fn fingerprints() -> Vec<Fingerprint> {
    (0..FINGERPRINTS).map(|number| fingerprint(number / 2 * 43, number)).collect()
}

/// One kind of mutation, applied to a fingerprint where that makes sense.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Create,
    /// Creates what expires so many seconds from now.
    CreateFor(u32),
    Delete,
    Disable,
    Enable,
    Pause,
    Resume,
    ExpireIn(u32),
    ExpireNever,
    /// Read-only, read-write, or fewer APIs.
    SetPolicy(u8),
    /// A second fingerprint becomes the current secret, the first one retires.
    Rotate(u32),
    /// All secrets of a workspace at once.
    Suspend,
    Unsuspend,
    /// A rename: a generation that changes nothing here.
    Rename,
}

/// What one generation did to one fingerprint.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) after: State,
    pub(crate) narrowing: bool,
}

#[derive(Default)]
pub(crate) struct Truth {
    /// What the generation `index + 1` did.
    log: Vec<Vec<Effect>>,
    now: BTreeMap<Fingerprint, (Record, Policy)>,
    next_key: u64,
}

impl Truth {
    pub(crate) fn generation(&self) -> u64 {
        self.log.len() as u64
    }

    /// What `generation` did.
    pub(crate) fn effects(&self, generation: u64) -> &[Effect] {
        let index = usize::try_from(generation - 1).expect("few generations");
        &self.log[index]
    }

    /// Every state as of `generation`.
    pub(crate) fn at(&self, generation: u64) -> BTreeMap<Fingerprint, (Record, Policy)> {
        let mut states = BTreeMap::new();
        for effect in (1..=generation).flat_map(|generation| self.effects(generation)) {
            match &effect.after {
                Some(state) => states.insert(effect.fingerprint, state.clone()),
                None => states.remove(&effect.fingerprint),
            };
        }
        states
    }

    /// Makes the next generation.
    pub(crate) fn change(&mut self, target: usize, change: Change, now_ms: u64) {
        let effects = self
            .outcome(target, change, now_ms)
            .into_iter()
            .map(|(fingerprint, after)| {
                let before = self.now.get(&fingerprint);
                let narrowing = narrows(before, after.as_ref());
                Effect { fingerprint, after, narrowing }
            })
            .collect::<Vec<_>>();
        for effect in &effects {
            match &effect.after {
                Some(state) => self.now.insert(effect.fingerprint, state.clone()),
                None => self.now.remove(&effect.fingerprint),
            };
        }
        self.log.push(effects);
    }

    fn outcome(&mut self, target: usize, change: Change, now_ms: u64) -> Vec<(Fingerprint, State)> {
        let all = fingerprints();
        let target = target % all.len();
        let fingerprint = all[target];
        let Some((record, policy)) = self.now.get(&fingerprint).cloned() else {
            return match change {
                Change::Create => vec![(fingerprint, Some(self.created(Deadline::NEVER)))],
                Change::CreateFor(seconds) => {
                    vec![(fingerprint, Some(self.created(within(seconds, now_ms))))]
                }
                _ => Vec::new(),
            };
        };
        let as_record = |record: Record| vec![(fingerprint, Some((record, policy.clone())))];
        match change {
            Change::Create | Change::CreateFor(_) | Change::Rename => Vec::new(),
            Change::Delete => vec![(fingerprint, None)],
            Change::Disable => as_record(Record { disabled: true, ..record }),
            Change::Enable => as_record(Record { disabled: false, ..record }),
            Change::Pause => as_record(Record { paused: true, ..record }),
            Change::Resume => as_record(Record { paused: false, ..record }),
            Change::ExpireIn(seconds) => as_record(Record { deadline: within(seconds, now_ms), ..record }),
            Change::ExpireNever => as_record(Record { deadline: Deadline::NEVER, ..record }),
            Change::SetPolicy(number) => {
                vec![(fingerprint, Some((record, restricted(policy, number))))]
            }
            Change::Rotate(grace_seconds) => {
                let retiring = Record { slot: Slot::Retiring, deadline: within(grace_seconds, now_ms), ..record };
                let current = Record { slot: Slot::Current, ..record };
                let Some(free) = all.iter().find(|other| !self.now.contains_key(other)) else {
                    return Vec::new();
                };
                vec![(fingerprint, Some((retiring, policy.clone()))), (*free, Some((current, policy)))]
            }
            Change::Suspend | Change::Unsuspend => self
                .now
                .iter()
                .filter(|(_, (_, other))| other.workspace == policy.workspace)
                .map(|(&fingerprint, (record, policy))| {
                    let record = Record { suspended: matches!(change, Change::Suspend), ..*record };
                    (fingerprint, Some((record, policy.clone())))
                })
                .collect(),
        }
    }

    fn created(&mut self, deadline: Deadline) -> (Record, Policy) {
        self.next_key += 1;
        let record = Record { key: KeyId::from_u64(self.next_key), deadline, ..fixtures::record() };
        let mut policy = fixtures::policy();
        policy.workspace = WorkspaceId::from_u64(self.next_key % 3);
        (record, policy)
    }
}

fn within(seconds: u32, now_ms: u64) -> Deadline {
    let now = u32::try_from(now_ms / 1000).expect("before 2106");
    Deadline::at_seconds(now + seconds)
}

fn restricted(mut policy: Policy, number: u8) -> Policy {
    (policy.access, policy.apis) = match number % 3 {
        0 => (Access::ReadOnly, Apis::All),
        1 => (Access::ReadWrite, Apis::All),
        _ => (Access::ReadWrite, Apis::Only(vec![number.into()])),
    };
    policy
}

/// A change is narrowing unless all that it can do is to turn a refusal of the record into an allow:
/// where the record before allows, the one after must allow the same key the same things or more.
fn narrows(before: Option<&(Record, Policy)>, after: Option<&(Record, Policy)>) -> bool {
    let Some((old, old_policy)) = before else {
        return false;
    };
    let Some((new, new_policy)) = after else {
        return true;
    };
    let only_widened =
        Record { deadline: old.deadline, disabled: old.disabled, paused: old.paused, suspended: old.suspended, ..*new }
            == *old
            && new.deadline.to_u32() >= old.deadline.to_u32()
            && new.disabled <= old.disabled
            && new.paused <= old.paused
            && new.suspended <= old.suspended
            && widens(old_policy, new_policy);
    !only_widened
}

/// Whether all that the old policy lets pass the new one lets pass too, as the same principal.
pub(crate) fn widens(old: &Policy, new: &Policy) -> bool {
    let apis = match (&old.apis, &new.apis) {
        (_, Apis::All) => true,
        (Apis::All, Apis::Only(_)) => false,
        (Apis::Only(old), Apis::Only(new)) => old.iter().all(|number| new.contains(number)),
    };
    apis && (old.access == new.access || new.access == Access::ReadWrite)
        && (old.workspace, old.slug) == (new.workspace, new.slug)
        && old.restrictions == new.restrictions
}
