//! The tree grows: what is to be built now, and when a tree of another depth takes the running one's place.
//!
//! A tree of another depth is built beside the running one and named as the next, so that edges load
//! what they use of it. When they have had the time, it takes up what has changed since, and heads
//! name it instead. Only where a leaf has grown too large the change is made at once: to the next tree,
//! where there is one already.

use std::time::Duration;

use keyward_shared::snapshot::{HeadOrder, ObjectName};
use tokio::time::Instant;

use super::builder::Wanted;
use super::tree::TreeNames;

/// A tree that edges are warming.
pub(super) struct Next {
    pub(super) names: TreeNames,
    /// Everything up to here is in it.
    pub(super) generation: u64,
    /// The first head that names it.
    pub(super) named_in: Option<HeadOrder>,
    /// When they will have had the time; that runs from when the first such head can be read.
    pub(super) switch_at: Option<Instant>,
}

impl Next {
    /// A tree that no head names yet.
    pub(super) const fn new(names: TreeNames, generation: u64) -> Self {
        Self { names, generation, named_in: None, switch_at: None }
    }
}

/// Between two looks whether the head that names a tree can be read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a build makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Making {
    /// The running tree, with what has changed.
    Tree,
    /// A tree of another depth, to be warmed.
    Next,
    /// That tree, with what has changed, to take the running one's place.
    Switch,
}

/// The trees that there are.
pub(super) struct Trees {
    pub(super) current: TreeNames,
    /// Everything up to here is in the current one.
    pub(super) generation: u64,
    /// How deep its leaves should lie.
    pub(super) wanted_depth: u8,
    pub(super) next: Option<Next>,
    /// As of which generation a tree was given up last. Built as of that one again, it would have the names
    /// that were given up.
    pub(super) given_up_in: Option<u64>,
}

impl Trees {
    /// What to build now that everything up to `generation` is published, where `changes_wait` for the tree
    /// to take them up. They wait for a next tree as well, once: under a stream of bulk work they would
    /// always come first, until a leaf is too large.
    pub(super) fn making(&self, generation: u64, changes_wait: bool, now: Instant) -> Option<Making> {
        let fits = self.wanted_depth == self.current.shape.depth();
        match &self.next {
            Some(next) if next.switch_at.is_some_and(|at| now >= at) => Some(Making::Switch),
            None if !fits && Some(generation) > self.given_up_in => Some(Making::Next),
            _ => changes_wait.then_some(Making::Tree),
        }
    }

    /// What the builder is to be told for it.
    pub(super) fn wanted(&self, making: Making) -> Wanted {
        let next = self.next.as_ref().map(|next| (next.names.clone(), next.generation));
        match (making, next) {
            (Making::Next, _) => Wanted::AtDepth(self.wanted_depth),
            (Making::Switch, Some(tree)) => Wanted::After { tree, deeper: None },
            (Making::Tree | Making::Switch, next) => {
                let deeper = next.filter(|(names, _)| names.shape.depth() > self.current.shape.depth());
                Wanted::After { tree: (self.current.clone(), self.generation), deeper }
            }
        }
    }

    /// Begins to count the time once `readable`, the newest head that edges can read, names the next tree.
    pub(super) fn count_time(&mut self, readable: Option<HeadOrder>, now: Instant, warm_up: Duration) {
        if let Some(next) = self.next.as_mut().filter(|next| next.switch_at.is_none())
            && next.named_in.is_some_and(|named_in| readable >= Some(named_in))
        {
            next.switch_at = Some(now + warm_up);
        }
    }

    /// When to look again although nothing changes.
    pub(super) fn look_at(&self, now: Instant) -> Option<Instant> {
        self.next.as_ref().map(|next| next.switch_at.unwrap_or(now + LOOK_AGAIN))
    }

    /// Everything up to here is in all of them.
    pub(super) fn oldest(&self) -> u64 {
        self.next.as_ref().map_or(self.generation, |next| next.generation.min(self.generation))
    }

    /// Makes a built tree the current one, with its depth as wanted. Gives the names that nothing names
    /// any more, beside those that the builder gave up.
    pub(super) fn replace(&mut self, making: Making, names: TreeNames, generation: u64, wanted: u8) -> Vec<ObjectName> {
        let reshaped = names.shape != self.current.shape;
        let before = core::mem::replace(&mut self.current, names);
        self.generation = generation;
        self.wanted_depth = wanted;
        let left = match making {
            // What the next tree named the builder knows.
            Making::Switch => {
                self.next = None;
                Some(before)
            }
            // What is warmed fits no longer.
            _ if reshaped => self.next.take().map(|next| next.names),
            _ => None,
        };
        if reshaped {
            self.given_up_in = Some(generation);
        }
        left.iter().flat_map(TreeNames::names).copied().collect()
    }
}
