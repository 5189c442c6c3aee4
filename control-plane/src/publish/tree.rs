//! The names of the published tree, level by level, and its encoding into nodes.
//!
//! Pure. Holds names only (32 bytes each); the records stay in the database.

use keyward_shared::fingerprint::PepperId;
use keyward_shared::snapshot::{Node, ObjectName, Origin, Place, RECORD_BYTES, Shape, Stamp, TARGET_LEAF_BYTES, Tree};

/// Records of a leaf of the size aimed at.
pub const TARGET_RECORDS: u64 = (TARGET_LEAF_BYTES / RECORD_BYTES) as u64;
/// Deepest tree that is built: leaves for 2^24 prefixes, a billion keys and more.
pub(super) const MAX_DEPTH: u8 = 24;

/// A published tree's names: one list a level, from the top to the leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreeNames {
    pub(super) shape: Shape,
    pub(super) pepper: PepperId,
    levels: Vec<Vec<ObjectName>>,
}

/// An object that a change of the tree made.
pub(super) struct NewNode {
    pub(super) place: Place,
    pub(super) name: ObjectName,
    pub(super) bytes: Vec<u8>,
}

impl TreeNames {
    /// The tree with these names, from the top to the leaves, or `None` where their numbers do not
    /// fit the shape.
    pub(super) fn new(shape: Shape, pepper: PepperId, levels: Vec<Vec<ObjectName>>) -> Option<Self> {
        let fits = shape.object_depths().map(|depth| 1_usize << depth).eq(levels.iter().map(Vec::len));
        fits.then_some(Self { shape, pepper, levels })
    }

    /// The tree over these leaves, with the nodes that name them.
    pub(super) fn over_leaves(
        shape: Shape,
        origin: Origin<'_>,
        stamp: Stamp,
        leaves: Vec<ObjectName>,
    ) -> Option<(Self, Vec<NewNode>)> {
        let placeholder = ObjectName::from_bytes([0; ObjectName::LEN]);
        let levels = shape.object_depths().map(|depth| vec![placeholder; 1 << depth]).collect();
        let all: Vec<_> =
            leaves.into_iter().enumerate().filter_map(|(at, name)| Some((u32::try_from(at).ok()?, name))).collect();
        let mut tree = Self::new(shape, origin.pepper, levels)?;
        let (nodes, _) = tree.replace_leaves(origin, stamp, &all)?;
        Some((tree, nodes))
    }

    /// Puts new leaves in their places and makes the nodes on the way up. Gives those nodes and the
    /// names that nothing names any more.
    pub(super) fn replace_leaves(
        &mut self,
        origin: Origin<'_>,
        stamp: Stamp,
        leaves: &[(u32, ObjectName)],
    ) -> Option<(Vec<NewNode>, Vec<ObjectName>)> {
        let bits = self.shape.levels().to_vec();
        let depths: Vec<u8> = self.shape.object_depths().collect();
        let (mut nodes, mut given_up) = (Vec::new(), Vec::new());
        let mut changed = leaves.to_vec();
        for level in (0..self.levels.len()).rev() {
            for &(at, name) in &changed {
                let place = self.levels.get_mut(level)?.get_mut(at as usize)?;
                if *place != name {
                    given_up.push(core::mem::replace(place, name));
                }
            }
            let Some(above) = level.checked_sub(1) else {
                break;
            };
            let width = *bits.get(level)?;
            let mut parents: Vec<u32> = changed.iter().map(|(at, _)| at >> width).collect();
            parents.sort_unstable();
            parents.dedup();
            changed = Vec::with_capacity(parents.len());
            for at in parents {
                let first = (at as usize) << width;
                let children = self.levels.get(level)?.get(first..first + (1 << width))?;
                let place = Place { depth: *depths.get(above)?, prefix: at };
                let bytes = Node::encode(origin, place, stamp, width, children)?;
                let name = ObjectName::of(&bytes);
                changed.push((at, name));
                nodes.push(NewNode { place, name, bytes });
            }
        }
        Some((nodes, given_up))
    }

    /// The tree as the head carries it.
    pub(super) fn to_tree(&self) -> Tree {
        let top = self.levels.first().cloned().unwrap_or_default();
        Tree { shape: self.shape.clone(), pepper: self.pepper, top }
    }

    /// Every name of the tree.
    pub(super) fn names(&self) -> impl Iterator<Item = &ObjectName> {
        self.levels.iter().flatten()
    }
}

/// How deep the leaves of a tree of `records` should lie, given how deep they lie now, where so many a
/// leaf are the `target`. Leaves are let grow to twice that and shrink to an eighth before the tree is
/// reshaped, so that a number of keys that sways does not.
pub(super) fn wanted_depth(records: u64, now: Option<u8>, target: u64) -> u8 {
    let best = (0..MAX_DEPTH).find(|depth| records >> depth <= target).unwrap_or(MAX_DEPTH);
    match now {
        Some(depth) if records >> depth <= 2 * target && (records >> depth >= target / 8 || depth == 0) => depth,
        _ => best,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> ObjectName {
        ObjectName::of(&number.to_be_bytes())
    }

    const STAMP: Stamp = Stamp { epoch: 1, generation: 1 };

    fn origin() -> Origin<'static> {
        Origin { deployment: "test", pepper: PepperId::from_u64(1) }
    }

    #[test]
    fn one_new_leaf_makes_one_node_a_level() {
        let shape = Shape::of_depth(11);
        let leaves = (0..1 << 11).map(name).collect();
        let (mut tree, nodes) = TreeNames::over_leaves(shape, origin(), STAMP, leaves).expect("a tree");
        assert_eq!(nodes.len(), 1 << 6);
        let before = tree.clone();
        let later = Stamp { epoch: 1, generation: 2 };
        let (nodes, given_up) = tree.replace_leaves(origin(), later, &[(77, name(100_000))]).expect("in its place");
        assert_eq!((nodes.len(), given_up.len()), (1, 2));
        let kept = before.names().zip(tree.names()).filter(|(a, b)| a == b).count();
        assert_eq!(kept, before.names().count() - 2);
    }

    #[test]
    fn a_small_tree_is_one_leaf() {
        let (tree, nodes) = TreeNames::over_leaves(Shape::of_depth(0), origin(), STAMP, vec![name(1)]).expect("a tree");
        assert!(nodes.is_empty());
        assert_eq!(tree.to_tree().top, [name(1)]);
    }

    #[test]
    fn the_depth_sways_less_than_the_keys() {
        assert_eq!(wanted_depth(0, None, TARGET_RECORDS), 0);
        assert_eq!(wanted_depth(819, None, TARGET_RECORDS), 0);
        assert_eq!(wanted_depth(1_000_000, None, TARGET_RECORDS), 11);
        assert_eq!(wanted_depth(10_000_000, None, TARGET_RECORDS), 14);
        assert_eq!(wanted_depth(1_600, Some(0), TARGET_RECORDS), 0, "grown, not yet twice the target");
        assert_eq!(wanted_depth(1_700, Some(0), TARGET_RECORDS), 2);
        assert_eq!(wanted_depth(250_000, Some(11), TARGET_RECORDS), 11, "shrunk, not yet to an eighth");
        assert_eq!(wanted_depth(100_000, Some(11), TARGET_RECORDS), 7);
    }
}
