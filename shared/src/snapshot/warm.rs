//! Warming the next tree: which of its objects to load before heads name it.
//!
//! What is in use of the current tree will be in use of the next one. Its keys are the same, so a leaf
//! of the one covers leaves of the other, or lies within one.

use core::cmp::Reverse;
use core::ops::Range;
use std::collections::BinaryHeap;

use super::cache::{Cache, Holding, Object, Of};
use super::name::ObjectName;
use super::object::Place;
use super::tree::Tree;
use crate::fingerprint::Fingerprint;

/// An object that is not held: its place, its name, and whether it is a leaf.
pub(super) type Missing = (Place, ObjectName, bool);

impl Cache {
    /// Objects of the next tree to load now, at most `most`: nodes before what lies below them, and
    /// those first that cover what was used last.
    pub(super) fn to_warm(&self, next: &Tree, most: usize) -> Vec<Missing> {
        let mut missing = Vec::new();
        let (Some(current), Some(holding)) = (self.holding(Of::Current), self.holding(Of::Next)) else {
            return missing;
        };
        let (Some(leaves), Some(wanted)) = (current.leaves(), holding.leaves()) else {
            return missing;
        };
        if current.pepper() != holding.pepper() {
            return missing;
        }
        // A heap, for few of them are looked at before there is enough.
        let used = leaves.places.iter().filter(|(_, held)| held.used_at > 0);
        let mut used: BinaryHeap<_> = used.map(|(&prefix, held)| (held.used_at, Reverse(prefix))).collect();
        while let Some((_, Reverse(prefix))) = used.pop() {
            let mut range = covered(Place { depth: leaves.depth, prefix }, wanted.depth);
            while let Some(prefix) = range.next() {
                let Some(found) = first_missing(next, holding, Place { depth: wanted.depth, prefix }) else {
                    continue;
                };
                // What lies below the same node waits for it.
                let below = wanted.depth - found.0.depth;
                range.start = range.start.max((found.0.prefix + 1) << below);
                if !missing.contains(&found) {
                    missing.push(found);
                }
                if missing.len() >= most {
                    return missing;
                }
            }
        }
        missing
    }

    /// When what is held of the current tree at a place of the next one was last used.
    pub(super) fn used_at(&self, place: Place) -> u64 {
        let Some(leaves) = self.holding(Of::Current).and_then(Holding::leaves) else {
            return 0;
        };
        let used_at = |prefix| leaves.places.get(&prefix).map_or(0, |held| held.used_at);
        // Above many leaves lies a node, which is used whenever one of them is.
        if leaves.depth > place.depth { self.now() } else { used_at(place.prefix >> (place.depth - leaves.depth)) }
    }

    /// Makes those leaves of the current tree the first to go that the next tree's leaf at `place` covers,
    /// alone or with others that are held: warming ends with as much held as before.
    pub(super) fn release_covered(&mut self, place: Place) {
        let (Some(current), Some(next)) = self.both_mut() else {
            return;
        };
        let (Some(leaves), Some(warmed)) = (current.levels.last_mut(), next.leaves()) else {
            return;
        };
        if warmed.depth != place.depth {
            return;
        }
        for prefix in covered(place, leaves.depth) {
            let mut above = covered(Place { depth: leaves.depth, prefix }, warmed.depth);
            if let Some(held) = leaves.places.get_mut(&prefix)
                && above.all(|prefix| warmed.places.contains_key(&prefix))
            {
                held.used_at = 0;
            }
        }
    }
}

/// The prefixes at `depth` of all that lies within `place`, or of what it lies within.
const fn covered(place: Place, depth: u8) -> Range<u32> {
    if depth >= place.depth {
        let below = depth - place.depth;
        place.prefix << below..(place.prefix + 1) << below
    } else {
        let prefix = place.prefix >> (place.depth - depth);
        prefix..prefix + 1
    }
}

/// The first object on the way to the leaf at `place` that is not held as `next` names it.
fn first_missing(next: &Tree, holding: &Holding, place: Place) -> Option<Missing> {
    let towards = first_of(place);
    let (mut at, mut name) = next.first_towards(&towards)?;
    for level in &holding.levels {
        let held = level.places.get(&at.prefix).filter(|held| held.name == name);
        let Some(held) = held else {
            return Some((at, name, at.depth == place.depth));
        };
        match &held.object {
            Object::Leaf(_) => return None,
            Object::Node(node) => (at, name) = node.child_towards(&towards)?,
        }
    }
    None
}

/// The first fingerprint of a place.
fn first_of(place: Place) -> Fingerprint {
    let leading = u64::from(place.prefix) << (64 - u32::from(place.depth.max(1)));
    let mut bytes = [0; Fingerprint::LEN];
    bytes[..8].copy_from_slice(&leading.to_be_bytes());
    Fingerprint::from_bytes(bytes)
}
