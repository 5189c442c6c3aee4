//! The tree as the publisher builds it: leaves that no change touched keep their bytes and name.

use std::collections::{BTreeMap, BTreeSet};

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::policy::Policy;
use keyward_shared::record::Record;
use keyward_shared::snapshot::{LeafBuilder, Node, ObjectName, Place, Shape, Stamp, Tree};

use crate::fixtures::origin;

/// Where objects live: by name, for ever.
pub(crate) type Store = BTreeMap<ObjectName, Vec<u8>>;

pub(crate) struct Built {
    shape: Shape,
    /// Names of all objects, by place.
    names: BTreeMap<Place, ObjectName>,
}

impl Built {
    /// Builds a tree from nothing.
    pub(crate) fn new(
        shape: Shape,
        states: &BTreeMap<Fingerprint, (Record, Policy)>,
        stamp: Stamp,
        store: &mut Store,
    ) -> Self {
        let mut built = Self { shape, names: BTreeMap::new() };
        let depth = built.shape.depth();
        let all = (0..1 << depth).map(|prefix| Place { depth, prefix });
        built.rebuild(&all.collect(), states, stamp, store);
        built
    }

    /// Builds anew the leaves that cover what changed, and the nodes above them.
    pub(crate) fn update(
        &mut self,
        changed: impl Iterator<Item = Fingerprint>,
        states: &BTreeMap<Fingerprint, (Record, Policy)>,
        stamp: Stamp,
        store: &mut Store,
    ) {
        let depth = self.shape.depth();
        let leaves = changed.map(|fingerprint| Place::of(&fingerprint, depth));
        self.rebuild(&leaves.collect(), states, stamp, store);
    }

    /// What the head says of it.
    pub(crate) fn tree(&self) -> Tree {
        let depth = self.shape.levels().first().copied().unwrap_or(0);
        Tree { shape: self.shape.clone(), pepper: origin().pepper, top: self.names_at(depth, 0..1 << depth) }
    }

    fn rebuild(
        &mut self,
        leaves: &BTreeSet<Place>,
        states: &BTreeMap<Fingerprint, (Record, Policy)>,
        stamp: Stamp,
        store: &mut Store,
    ) {
        for &place in leaves {
            let mut leaf = LeafBuilder::new(place);
            for (fingerprint, (record, policy)) in states {
                if place.covers(fingerprint) {
                    leaf.push(*fingerprint, record, policy).expect("in order");
                }
            }
            let bytes = leaf.finish(origin(), stamp).expect("small");
            self.put(place, bytes, store);
        }
        let mut changed = leaves.clone();
        let depths: Vec<_> = self.shape.object_depths().collect();
        let bits = self.shape.levels().to_vec();
        // The first level's names are the head's, so its nodes' parent is no object.
        for level in (1..bits.len()).rev() {
            let depth = depths[level - 1];
            changed = changed.iter().map(|child| Place { depth, prefix: child.prefix >> bits[level] }).collect();
            for &place in &changed {
                let first = place.prefix << bits[level];
                let children = self.names_at(depths[level], first..first + (1 << bits[level]));
                let node = Node::encode(origin(), place, stamp, bits[level], &children);
                self.put(place, node.expect("all children"), store);
            }
        }
    }

    fn put(&mut self, place: Place, bytes: Vec<u8>, store: &mut Store) {
        let name = ObjectName::of(&bytes);
        self.names.insert(place, name);
        store.insert(name, bytes);
    }

    fn names_at(&self, depth: u8, prefixes: core::ops::Range<u32>) -> Vec<ObjectName> {
        prefixes.map(|prefix| self.names[&Place { depth, prefix }]).collect()
    }
}
