//! The publisher: head-only heads with `recent`, tree batches that lag behind, entries that are
//! dropped for want of room and raise the floors, narrowing changes that go ahead, reshaping, and
//! restarts that begin a new epoch.

use std::collections::BTreeMap;

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::policy::Policy;
use keyward_shared::record::Record;
use keyward_shared::snapshot::{Head, RecentEntry, Shape, Stamp};

use super::tree::{Built, Store};
use super::truth::{State, Truth};
use crate::fixtures::{DEPLOYMENT, NOW_MS, name, signing_key};

/// So few entries fit into a head of the model.
const MAX_ENTRIES: usize = 5;

/// A head and what must be true under it.
pub(crate) struct Publication {
    pub(crate) head: Head,
    pub(crate) expected: BTreeMap<Fingerprint, (Record, Policy)>,
}

/// What one publishing does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publish {
    /// How many generations beyond the tree's the next tree holds; `None` leaves the tree alone.
    pub(crate) tree: Option<u64>,
    /// How many generations are left for later.
    pub(crate) lag: u64,
    /// How many entries are dropped although there is room.
    pub(crate) drop: usize,
}

/// What the publisher remembers of an entry of `recent`.
#[derive(Clone)]
struct Entry {
    generation: u64,
    /// The last narrowing change since the entry is there. A later widening one hides it in
    /// `generation`, but who drops the entry drops the narrowing change as well.
    narrowed_at: Option<u64>,
    state: State,
}

pub(crate) struct Publisher {
    epoch: u64,
    generation: u64,
    issued_at: u64,
    tree_generation: u64,
    recent_since: u64,
    narrowed_since: u64,
    recent: BTreeMap<Fingerprint, Entry>,
    built: Built,
    /// The tree that is warmed, and everything up to which generation is in it.
    next: Option<(Built, u64)>,
    pub(crate) store: Store,
    pub(crate) published: Vec<Publication>,
}

impl Publisher {
    /// A publisher that has published an empty tree.
    pub(crate) fn new(shape: Shape) -> Self {
        let mut store = Store::new();
        let stamp = Stamp { epoch: 1, generation: 0 };
        let mut publisher = Self {
            epoch: 1,
            generation: 0,
            issued_at: NOW_MS,
            tree_generation: 0,
            recent_since: 0,
            narrowed_since: 0,
            recent: BTreeMap::new(),
            built: Built::new(shape, &BTreeMap::new(), stamp, &mut store),
            next: None,
            store,
            published: Vec::new(),
        };
        publisher.issue(&Truth::default());
        publisher
    }

    /// Publishes what changed, as far as there is room.
    pub(crate) fn publish(&mut self, truth: &Truth, how: Publish) {
        let latest = truth.generation();
        let target = latest.saturating_sub(how.lag).max(self.generation);
        if let Some(ahead) = how.tree {
            self.build_tree(truth, target.min(self.tree_generation + ahead));
        }
        for generation in self.generation + 1..=target {
            let before = (self.recent.clone(), self.recent_since, self.narrowed_since);
            self.absorb(truth, generation);
            if !self.make_room(MAX_ENTRIES) {
                // The generation waits for the tree.
                (self.recent, self.recent_since, self.narrowed_since) = before;
                break;
            }
            self.generation = generation;
        }
        let fewer = self.recent.len().saturating_sub(how.drop);
        self.make_room(fewer);
        self.issue(truth);
    }

    /// Switches to a tree of another shape, built as of what is published.
    pub(crate) fn reshape(&mut self, truth: &Truth, shape: Shape) {
        self.tree_generation = self.generation;
        let states = truth.at(self.tree_generation);
        self.built = Built::new(shape, &states, self.stamp(), &mut self.store);
        self.issue(truth);
    }

    /// Builds a tree of another shape beside the running one, as of what is published, and names it.
    pub(crate) fn prepare(&mut self, truth: &Truth, shape: Shape) {
        let stamp = Stamp { epoch: self.epoch, generation: self.generation };
        let states = truth.at(self.generation);
        self.next = Some((Built::new(shape, &states, stamp, &mut self.store), self.generation));
        self.issue(truth);
    }

    /// Makes the tree that was prepared the one that heads name, with the leaves built anew that changed
    /// since, or gives it up.
    pub(crate) fn end_preparing(&mut self, truth: &Truth, switch: bool) {
        if let Some((next, since)) = self.next.take().filter(|_| switch) {
            let target = self.generation;
            self.built = next;
            self.tree_generation = since.min(self.tree_generation);
            self.build_tree(truth, target);
        }
        self.issue(truth);
    }

    /// Another publisher takes over: a new epoch. With `restored`, the first head after a restored
    /// backup: everything is in the tree and all floors are equal.
    pub(crate) fn restart(&mut self, truth: &Truth, restored: bool) {
        self.epoch += 1;
        if restored {
            self.generation = truth.generation();
            self.tree_generation = self.generation;
            self.recent_since = self.generation;
            self.narrowed_since = self.generation;
            self.recent.clear();
            self.next = None;
            let states = truth.at(self.generation);
            let shape = self.built.tree().shape;
            self.built = Built::new(shape, &states, self.stamp(), &mut self.store);
        }
        self.issue(truth);
    }

    fn stamp(&self) -> Stamp {
        Stamp { epoch: self.epoch, generation: self.tree_generation }
    }

    fn build_tree(&mut self, truth: &Truth, generation: u64) {
        let changed = (self.tree_generation + 1..=generation)
            .flat_map(|generation| truth.effects(generation))
            .map(|effect| effect.fingerprint);
        self.tree_generation = self.tree_generation.max(generation);
        let states = truth.at(self.tree_generation);
        let stamp = self.stamp();
        self.built.update(changed, &states, stamp, &mut self.store);
    }

    fn absorb(&mut self, truth: &Truth, generation: u64) {
        for effect in truth.effects(generation) {
            let before = self.recent.get(&effect.fingerprint);
            let narrowed_at =
                if effect.narrowing { Some(generation) } else { before.and_then(|entry| entry.narrowed_at) };
            let entry = Entry { generation, narrowed_at, state: effect.after.clone() };
            self.recent.insert(effect.fingerprint, entry);
        }
    }

    /// Drops the oldest entries that the tree holds, widening ones first, and raises the floors.
    /// `false` where none may be dropped.
    fn make_room(&mut self, entries: usize) -> bool {
        while self.recent.len() > entries {
            let droppable = self
                .recent
                .iter()
                .filter(|(_, entry)| entry.generation <= self.tree_generation)
                .min_by_key(|(_, entry)| (entry.narrowed_at.is_some(), entry.generation));
            let Some((&fingerprint, entry)) = droppable else {
                return false;
            };
            self.recent_since = self.recent_since.max(entry.generation);
            self.narrowed_since = self.narrowed_since.max(entry.narrowed_at.unwrap_or(0));
            self.recent.remove(&fingerprint);
        }
        true
    }

    fn issue(&mut self, truth: &Truth) {
        self.issued_at += 1;
        let mut expected = truth.at(self.generation);
        let mut recent = self.recent.clone();
        let narrowed_through = self.go_ahead(truth, &mut recent, &mut expected);
        let head = Head {
            epoch: self.epoch,
            generation: self.generation,
            issued_at: self.issued_at,
            expires_at: self.issued_at + 86_400_000,
            tree_generation: self.tree_generation,
            recent_since: self.recent_since,
            narrowed_since: self.narrowed_since,
            narrowed_through,
            settings: name(0x5e),
            ack_wanted: false,
            checkpoint: Vec::new(),
            tree: self.built.tree(),
            next: self.next.as_ref().map(|(next, _)| next.tree()),
            recent: recent
                .into_iter()
                .map(|(fingerprint, entry)| RecentEntry {
                    fingerprint,
                    generation: entry.generation,
                    state: entry.state,
                })
                .collect(),
        };
        head.sign(DEPLOYMENT, &signing_key()).expect("what it publishes can be signed");
        self.published.push(Publication { head, expected });
    }

    /// Lets narrowing changes beyond the generation go ahead, whole mutations in their order, as long
    /// as they fit. Answers up to where.
    fn go_ahead(
        &self,
        truth: &Truth,
        recent: &mut BTreeMap<Fingerprint, Entry>,
        expected: &mut BTreeMap<Fingerprint, (Record, Policy)>,
    ) -> u64 {
        let mut through = self.generation;
        for generation in self.generation + 1..=truth.generation() {
            let effects = truth.effects(generation);
            if !effects.iter().any(|effect| effect.narrowing) {
                continue;
            }
            let mut more = recent.clone();
            more.extend(effects.iter().map(|effect| {
                let entry = Entry { generation, narrowed_at: Some(generation), state: effect.after.clone() };
                (effect.fingerprint, entry)
            }));
            if more.len() > MAX_ENTRIES {
                break;
            }
            *recent = more;
            through = generation;
            for effect in effects {
                match &effect.after {
                    Some(state) => expected.insert(effect.fingerprint, state.clone()),
                    None => expected.remove(&effect.fingerprint),
                };
            }
        }
        through
    }
}
