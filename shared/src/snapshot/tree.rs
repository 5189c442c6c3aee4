//! The shape of the tree and its top, as the head carries them.
//!
//! All leaves lie at one depth, the sum of the levels' bits. The head holds the names of the first
//! level itself, so a fresh edge reads one object fewer.
//!
//! ```text
//! pepper 8 · levels 1 · bits 1 … · name 32 …        (2^first level's bits names, or one)
//! ```

use super::error::DecodeError;
use super::name::ObjectName;
use super::object::Place;
use crate::fingerprint::{Fingerprint, PepperId};
use crate::wire::{Reader, Write as _};

/// Most bits of one level: a node then takes 4 KiB.
pub const MAX_LEVEL_BITS: u8 = 7;
/// Most levels: leaves for 2^28 prefixes.
pub const MAX_LEVELS: usize = 4;

/// How many levels the tree has and how many children a node of each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape(Vec<u8>);

impl Shape {
    /// The shape with these bits a level, from the top; without a level the tree is one leaf.
    pub fn new(levels: Vec<u8>) -> Option<Self> {
        let right = levels.len() <= MAX_LEVELS && levels.iter().all(|bits| (1..=MAX_LEVEL_BITS).contains(bits));
        right.then_some(Self(levels))
    }

    /// A shape whose leaves lie `depth` bits deep, in as few and as even levels as there can be.
    pub fn of_depth(depth: u8) -> Self {
        let depth = depth.min(MAX_LEVEL_BITS * 4);
        let levels = depth.div_ceil(MAX_LEVEL_BITS);
        let bits = |level| depth / levels + u8::from(level < depth % levels);
        Self((0..levels).map(bits).collect())
    }

    /// Bits of each level.
    pub fn levels(&self) -> &[u8] {
        &self.0
    }

    /// How deep the leaves lie, in bits.
    pub fn depth(&self) -> u8 {
        self.0.iter().sum()
    }

    /// How many names the top holds.
    pub fn top_len(&self) -> usize {
        self.0.first().map_or(1, |&bits| 1 << bits)
    }

    /// Depths of the objects on the way down: those of each level's nodes, then the leaves'.
    pub fn object_depths(&self) -> impl Iterator<Item = u8> + '_ {
        let alone = self.0.is_empty().then_some(0);
        let sums = self.0.iter().scan(0, |sum, bits| {
            *sum += bits;
            Some(*sum)
        });
        alone.into_iter().chain(sums)
    }
}

/// A tree: its shape, the pepper its fingerprints were made with, and the names of its top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its shape.
    pub shape: Shape,
    /// The pepper.
    pub pepper: PepperId,
    /// [`Shape::top_len`] names, in the order of their prefixes.
    pub top: Vec<ObjectName>,
}

impl Tree {
    /// The place and name of the first object on the way to `fingerprint`.
    pub fn first_towards(&self, fingerprint: &Fingerprint) -> Option<(Place, ObjectName)> {
        let place = Place::of(fingerprint, self.shape.levels().first().copied().unwrap_or(0));
        self.top.get(place.prefix as usize).map(|&name| (place, name))
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.put(&self.pepper.as_u64().to_be_bytes());
        out.put_short(self.shape.levels());
        for name in &self.top {
            out.put(name.as_bytes());
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let pepper = PepperId::from_u64(reader.u64()?);
        let shape = Shape::new(reader.short()?.to_vec()).ok_or(DecodeError::Meaningless { what: "tree shape" })?;
        let top = (0..shape.top_len()).map(|_| reader.array().map(ObjectName::from_bytes)).collect::<Result<_, _>>()?;
        Ok(Self { shape, pepper, top })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_even_and_as_flat_as_they_can_be() {
        let levels = |depth| Shape::of_depth(depth).levels().to_vec();
        assert_eq!(levels(0), []);
        assert_eq!(levels(7), [7]);
        assert_eq!(levels(11), [6, 5]);
        assert_eq!(levels(14), [7, 7]);
        assert_eq!(levels(15), [5, 5, 5]);
        assert_eq!(Shape::of_depth(11).object_depths().collect::<Vec<_>>(), [6, 11]);
        assert_eq!(Shape::of_depth(0).object_depths().collect::<Vec<_>>(), [0]);
        assert!(Shape::new(vec![8]).is_none());
    }
}
