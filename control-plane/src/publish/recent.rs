//! `recent`: the latest changes, carried by the head until the tree holds them.
//!
//! Pure. It knows which changes it may let go, which floors that raises, and when it is so full that
//! the tree must catch up first. What it must never do is let go of a change that the tree lacks.

mod weight;

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::policy::Policy;
use keyward_shared::record::Record;
use keyward_shared::snapshot::{EncodeError, Head, RecentEntry};

use self::weight::Weight;
use crate::store::publication::OutboxMark;

/// A change of one key touches at most its secrets: current, retiring, and a new one.
pub(super) const SINGLE_ENTRIES: u32 = 3;

fn is_bulk(entries_of_mutation: u64) -> bool {
    entries_of_mutation > u64::from(SINGLE_ENTRIES)
}

/// What one mutation made of one secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SecretChange {
    /// Which secret.
    pub fingerprint: Fingerprint,
    /// The mutation.
    pub generation: u64,
    /// Whether it may have turned an allow into a refusal.
    pub narrowing: bool,
    /// How many secrets the mutation touched.
    pub entries_of_mutation: u64,
    /// What the secret is now, or `None` where it is final.
    pub state: Option<(Record, Policy)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    generation: u64,
    narrowing: bool,
    /// Whether it leaves room for others: bulk work does, and what only widens.
    yields: bool,
    state: Option<(Record, Policy)>,
    /// The policy as it is encoded: policies that are alike are carried once.
    encoded: Option<Arc<[u8]>>,
}

impl Entry {
    fn new(generation: u64, narrowing: bool, bulk: bool, state: Option<(Record, Policy)>) -> Result<Self, EncodeError> {
        let encoded = state.as_ref().map(|(_, policy)| policy.encode().map(Arc::from)).transpose()?;
        Ok(Self { generation, narrowing, yields: bulk || !narrowing, state, encoded })
    }
}

/// The changes that the next head carries, and the floors below which it carries none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Recent {
    entries: BTreeMap<Fingerprint, Entry>,
    weight: Weight,
    /// Every change after it is carried.
    all_since: u64,
    narrowed_since: u64,
}

/// Which generations a batch of changes is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Every change is of a later one.
    pub after: u64,
    /// Every change is of this one or an earlier one.
    pub through: u64,
    /// The first mutation within it that is too large to be carried.
    pub first_too_large: Option<u64>,
}

/// What a batch of changes came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// Everything up to here is in the tree or in `recent`.
    pub through: u64,
    /// Whether the tree must catch up before the generation can go on.
    pub blocked: bool,
}

impl Recent {
    /// Nothing, with both floors at `generation`: what a tree built as of then leaves to say.
    pub(super) fn starting_at(generation: u64) -> Self {
        Self { all_since: generation, narrowed_since: generation, ..Self::default() }
    }

    /// What a published head carried; `mark` gives what the outbox still has of a change. For the floors
    /// each counts as narrowing: an earlier change of the same secret, which it took the place of, may have
    /// been. What it leaves room for goes by the change itself.
    pub(super) fn of_head(
        head: &Head,
        mark: impl Fn(&Fingerprint, u64) -> Option<OutboxMark>,
    ) -> Result<Self, EncodeError> {
        let mut recent = Self { all_since: head.recent_since, narrowed_since: head.narrowed_since, ..Self::default() };
        for entry in &head.recent {
            let mark = mark(&entry.fingerprint, entry.generation);
            let bulk = mark.is_some_and(|mark| is_bulk(mark.entries_of_mutation));
            let narrowing = mark.is_none_or(|mark| mark.narrowing);
            let kept = Entry::new(entry.generation, narrowing, bulk, entry.state.clone())?;
            recent.insert(entry.fingerprint, Entry { narrowing: true, ..kept });
        }
        Ok(recent)
    }

    /// Every change after this generation is carried.
    pub(super) const fn recent_since(&self) -> u64 {
        self.all_since
    }

    /// Every narrowing change after this generation is carried.
    pub(super) const fn narrowed_since(&self) -> u64 {
        self.narrowed_since
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many of them are newer than this generation.
    pub(super) fn newer_than(&self, generation: u64) -> usize {
        self.entries.values().filter(|entry| entry.generation > generation).count()
    }

    /// The newest generation that is carried, which may be ahead of the head's.
    pub(super) fn newest(&self) -> Option<u64> {
        self.entries.values().map(|entry| entry.generation).max()
    }

    /// The entries as the head carries them.
    pub(super) fn to_entries(&self) -> Vec<RecentEntry> {
        self.entries
            .iter()
            .map(|(fingerprint, entry)| RecentEntry {
                fingerprint: *fingerprint,
                generation: entry.generation,
                state: entry.state.clone(),
            })
            .collect()
    }

    /// Takes in `changes`, in their order, which are all there are after `span.after` and up to
    /// `span.through`, but for mutations too large to be carried. The changes of one mutation go in
    /// together or not at all; the first that does not fit stops the generation there, and only
    /// narrowing mutations go in ahead of it.
    pub(super) fn admit(
        &mut self,
        changes: &[SecretChange],
        span: Span,
        tree_generation: u64,
    ) -> Result<Admitted, EncodeError> {
        let mut admitted = Admitted { through: span.after, blocked: false };
        for mutation in changes.chunk_by(|a, b| a.generation == b.generation) {
            let Some(first) = mutation.first() else {
                continue;
            };
            if let Some(too_large) = span.first_too_large.filter(|&at| at < first.generation)
                && !admitted.blocked
            {
                admitted = Admitted { through: too_large.saturating_sub(1), blocked: true };
            }
            let goes_ahead = mutation.iter().any(|change| change.narrowing);
            if admitted.blocked && !goes_ahead {
                continue;
            }
            if self.carry(mutation, tree_generation)? {
                if !admitted.blocked {
                    admitted.through = first.generation;
                }
            } else {
                admitted.blocked = true;
            }
        }
        if !admitted.blocked {
            admitted = match span.first_too_large.filter(|&at| at <= span.through) {
                Some(too_large) => Admitted { through: too_large.saturating_sub(1), blocked: true },
                None => Admitted { through: span.through, blocked: false },
            };
        }
        Ok(admitted)
    }

    /// Takes in narrowing mutations from beyond those that [`Self::admit`] was given and stopped in.
    pub(super) fn admit_ahead(&mut self, changes: &[SecretChange], tree_generation: u64) -> Result<(), EncodeError> {
        for mutation in changes.chunk_by(|a, b| a.generation == b.generation) {
            self.carry(mutation, tree_generation)?;
        }
        Ok(())
    }

    /// Takes note of a change that the tree holds. Where it is not carried, it raises the floors, and
    /// what is carried of an earlier change of the same secret goes: it would hide the tree's.
    pub(super) fn in_tree(&mut self, generation: u64, fingerprint: &Fingerprint, narrowing: bool) {
        match self.entries.get(fingerprint) {
            Some(carried) if carried.generation >= generation => {}
            Some(earlier) => {
                let narrowing = narrowing || earlier.narrowing;
                self.remove(fingerprint);
                self.raise(generation, narrowing);
            }
            None => self.raise(generation, narrowing),
        }
    }

    /// Whether every one of these that narrows something is carried, or a later change of the same secret.
    pub(super) fn carries_narrowing(&self, changes: &[SecretChange]) -> bool {
        changes.iter().filter(|change| change.narrowing).all(|change| {
            self.entries.get(&change.fingerprint).is_some_and(|entry| entry.generation >= change.generation)
        })
    }

    /// The oldest generation that is carried.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.entries.values().map(|entry| entry.generation).min()
    }

    /// Carries a mutation whole, letting go of what the tree holds to make room: widening changes first,
    /// then the oldest. Where there is no room, all stays as it was.
    fn carry(&mut self, mutation: &[SecretChange], tree_generation: u64) -> Result<bool, EncodeError> {
        let floors = (self.all_since, self.narrowed_since);
        // What was there before, newest step last, to be put back.
        let mut undo: Vec<(Fingerprint, Option<Entry>)> = Vec::new();
        let mut yields = false;
        for change in mutation {
            let before = self.entries.get(&change.fingerprint);
            // An edge may still hold a leaf from before the earlier change: as long as one of them
            // narrowed, the entry stands for a narrowing.
            let narrowing = change.narrowing || before.is_some_and(|entry| entry.narrowing);
            let bulk = is_bulk(change.entries_of_mutation);
            let entry = Entry::new(change.generation, narrowing, bulk, change.state.clone())?;
            yields |= entry.yields;
            undo.push((change.fingerprint, self.insert(change.fingerprint, entry)));
        }
        while !self.weight.fits(yields) {
            let droppable = self
                .entries
                .iter()
                .filter(|(_, entry)| entry.generation <= tree_generation)
                .min_by_key(|(_, entry)| (entry.narrowing, entry.generation))
                .map(|(fingerprint, entry)| (*fingerprint, entry.generation, entry.narrowing));
            let Some((fingerprint, generation, narrowing)) = droppable else {
                for (fingerprint, entry) in undo.into_iter().rev() {
                    match entry {
                        Some(entry) => drop(self.insert(fingerprint, entry)),
                        None => drop(self.remove(&fingerprint)),
                    }
                }
                (self.all_since, self.narrowed_since) = floors;
                return Ok(false);
            };
            undo.push((fingerprint, self.remove(&fingerprint)));
            self.raise(generation, narrowing);
        }
        Ok(true)
    }

    fn insert(&mut self, fingerprint: Fingerprint, entry: Entry) -> Option<Entry> {
        self.weight.add(&entry);
        let before = self.entries.insert(fingerprint, entry);
        if let Some(before) = &before {
            self.weight.remove(before);
        }
        before
    }

    fn remove(&mut self, fingerprint: &Fingerprint) -> Option<Entry> {
        let removed = self.entries.remove(fingerprint);
        if let Some(removed) = &removed {
            self.weight.remove(removed);
        }
        removed
    }

    fn raise(&mut self, generation: u64, narrowing: bool) {
        self.all_since = self.all_since.max(generation);
        if narrowing {
            self.narrowed_since = self.narrowed_since.max(generation);
        }
    }
}

#[cfg(test)]
mod tests;
