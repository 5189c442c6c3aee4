//! The nodes and leaves that a replica holds, found by their places, within a bound of bytes.
//!
//! Must never know which of them is still believed: that is the replica's.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use super::leaf::Leaf;
use super::name::ObjectName;
use super::node::Node;
use super::object::Place;
use super::tree::Shape;
use crate::fingerprint::Fingerprint;

/// What is held at a place.
pub(super) struct Held {
    pub(super) object: Object,
    pub(super) name: ObjectName,
    /// The newest `tree_generation` up to which the object is known right.
    pub(super) through: u64,
    used_at: u64,
}

pub(super) enum Object {
    Node(Node),
    Leaf(Leaf),
}

impl Held {
    pub(super) const fn new(name: ObjectName, through: u64, object: Object) -> Self {
        Self { object, name, through, used_at: 0 }
    }

    const fn bytes(&self) -> usize {
        let beside = match &self.object {
            Object::Node(node) => node.held_bytes(),
            Object::Leaf(leaf) => leaf.held_bytes(),
        };
        beside + ENTRY_BYTES
    }
}

/// What an entry takes in its table, which is about half full.
const ENTRY_BYTES: usize = 2 * (size_of::<(u32, Held)>() + 1);

/// What is held of the places of one depth, by their prefixes.
pub(super) struct Level {
    pub(super) depth: u8,
    pub(super) places: HashMap<u32, Held, BuildHasherDefault<Spread>>,
}

/// Objects in memory, at most so many bytes of them.
pub(super) struct Cache {
    levels: Vec<Level>,
    max_bytes: usize,
    held_bytes: usize,
    tick: u64,
}

impl Cache {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self { levels: Vec::new(), max_bytes, held_bytes: 0, tick: 0 }
    }

    /// Lets go of all and begins anew for a tree of this shape.
    pub(super) fn clear(&mut self, shape: &Shape) {
        self.levels = shape.object_depths().map(|depth| Level { depth, places: HashMap::default() }).collect();
        self.held_bytes = 0;
    }

    /// The levels from the top to the leaves.
    pub(super) fn levels_mut(&mut self) -> &mut [Level] {
        &mut self.levels
    }

    pub(super) const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The leaf on the way to `fingerprint`, its prefix, and the newest `tree_generation` up to which it
    /// is right.
    pub(super) fn leaf_towards(&self, fingerprint: &Fingerprint) -> Option<(u32, &Leaf, u64)> {
        let level = self.levels.last()?;
        let prefix = fingerprint.leading_bits(level.depth);
        let held = level.places.get(&prefix)?;
        match &held.object {
            Object::Leaf(leaf) => Some((prefix, leaf, held.through)),
            Object::Node(_) => None,
        }
    }

    /// The leaf of this prefix.
    pub(super) fn leaf_at(&self, prefix: u32) -> Option<&Leaf> {
        match &self.levels.last()?.places.get(&prefix)?.object {
            Object::Leaf(leaf) => Some(leaf),
            Object::Node(_) => None,
        }
    }

    /// Whether an object of `place` has its place here: on a level, a node with its children on the next.
    pub(super) fn takes(&self, place: Place, object: &Object) -> bool {
        let mut depths = self.levels.iter().map(|level| level.depth).skip_while(|&depth| depth != place.depth);
        let (here, below) = (depths.next(), depths.next());
        here.is_some()
            && below
                == match object {
                    Object::Node(node) => Some(place.depth + node.bits()),
                    Object::Leaf(_) => None,
                }
    }

    /// Holds an object, unless what is held in its place is known right for longer.
    pub(super) fn insert(&mut self, place: Place, held: Held) {
        let Some(level) = self.levels.iter_mut().find(|level| level.depth == place.depth) else {
            return;
        };
        if level.places.get(&place.prefix).is_some_and(|before| before.through > held.through) {
            return;
        }
        self.held_bytes += held.bytes();
        let before = level.places.insert(place.prefix, held);
        self.held_bytes -= before.map_or(0, |held| held.bytes());
        self.make_room(place);
    }

    /// Marks what lies on the way to `fingerprint` as used.
    pub(super) fn promote(&mut self, fingerprint: &Fingerprint) {
        self.tick += 1;
        for level in &mut self.levels {
            let prefix = fingerprint.leading_bits(level.depth);
            if let Some(held) = level.places.get_mut(&prefix) {
                held.used_at = self.tick;
            }
        }
    }

    /// Lets go of what was used longest ago until the objects fit. The newest arrival and the nodes
    /// above it stay, or a lookup whose path does not fit would never come to its end.
    fn make_room(&mut self, arrival: Place) {
        while self.held_bytes > self.max_bytes {
            let oldest = self
                .levels
                .iter()
                .enumerate()
                .flat_map(|(index, level)| {
                    let on_the_path = arrival.depth.checked_sub(level.depth).map(|below| arrival.prefix >> below);
                    level
                        .places
                        .iter()
                        .filter(move |(prefix, _)| Some(**prefix) != on_the_path)
                        .map(move |(&prefix, held)| (held.used_at, index, prefix))
                })
                .min();
            let Some((_, index, prefix)) = oldest else {
                return;
            };
            let gone = self.levels.get_mut(index).and_then(|level| level.places.remove(&prefix));
            self.held_bytes -= gone.map_or(0, |held| held.bytes());
        }
    }
}

/// Spreads prefixes over a table. They are numbers that nobody can choose without the pepper, so one
/// multiplication is enough: by 2^64 divided by the golden ratio.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        // A table looks at both ends of the hash, on wasm at those of its lower half.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
