//! The Merkle tree over the audit log (RFC 6962, section 2.1; RFC 9162, section 2.1): its hashes, its
//! right edge, and the proofs that an event is in it and that it only ever grew.
//!
//! Knows no event and no database: a leaf is the hash of some bytes, a subtree is known by its place.

use sha2::{Digest as _, Sha256};

/// The hash of a leaf, of a subtree or of a whole tree.
pub type Hash = [u8; 32];

/// The hash of a leaf with this data.
pub fn leaf(data: &[u8]) -> Hash {
    Sha256::new_with_prefix([0x00]).chain_update(data).finalize().into()
}

/// The hash of a node over two subtrees.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([0x01]).chain_update(left).chain_update(right).finalize().into()
}

/// The hash of the tree without a leaf.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// A complete subtree, by its place in the order in which a walk from left to right meets all of them:
/// that of leaf `n` is `2 n`, and a node stands between its two halves. So a tree that grows moves none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u64);

impl Place {
    /// The subtree `index` among those with `2^level` leaves. There are no more than `2^62` leaves.
    pub const fn new(level: u32, index: u64) -> Self {
        Self(((2 * index + 1) << level) - 1)
    }

    /// How many levels of nodes are in it: 0 is a leaf.
    pub const fn level(self) -> u32 {
        self.0.trailing_ones()
    }
}

/// Neighbouring leaves: those from `begin` up to, and without, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaves {
    /// The first.
    pub begin: u64,
    /// The one behind the last.
    pub end: u64,
}

impl Leaves {
    /// The complete subtrees that they are made of, largest first. They begin where a subtree as large as
    /// all of them does, as every range of a proof and every whole tree.
    pub fn places(self) -> Vec<Place> {
        let mut begin = self.begin;
        let mut places = Vec::new();
        for level in (0..u64::BITS).rev().filter(|level| (self.end - self.begin) >> level & 1 == 1) {
            places.push(Place::new(level, begin >> level));
            begin += 1 << level;
        }
        places
    }
}

/// The complete subtrees that a tree with so many leaves is made of, largest first.
pub fn peaks(size: u64) -> Vec<Place> {
    Leaves { begin: 0, end: size }.places()
}

/// The hash of neighbouring subtrees, largest first, as one; none where there is none.
pub fn fold(hashes: &[Hash]) -> Option<Hash> {
    hashes.iter().copied().rev().reduce(|right, left| node(&left, &right))
}

/// The right edge of a tree: all that its growth and its root need to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    hashes: Vec<Hash>,
}

impl Edge {
    /// The edge of the tree without a leaf.
    pub const fn empty() -> Self {
        Self { size: 0, hashes: Vec::new() }
    }

    /// The edge with the hashes of [`peaks`]; none where these are too few or too many.
    pub fn new(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        (hashes.len() == size.count_ones() as usize).then_some(Self { size, hashes })
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of its [`peaks`].
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The hash of the whole tree.
    pub fn root(&self) -> Hash {
        fold(&self.hashes).unwrap_or_else(empty_root)
    }

    /// Adds a leaf, and tells of each node that is complete with it.
    pub fn push(&mut self, leaf: Hash, mut made: impl FnMut(Place, Hash)) {
        let (mut hash, mut level) = (leaf, 0);
        while self.size >> level & 1 == 1
            && let Some(left) = self.hashes.pop()
        {
            hash = node(&left, &hash);
            level += 1;
            made(Place::new(level, self.size >> level), hash);
        }
        self.hashes.push(hash);
        self.size += 1;
    }
}

/// The ranges of leaves whose hashes prove that leaf `index` is in the tree of this size (RFC 9162, section
/// 2.1.3.1); none where it has no such leaf.
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Leaves>> {
    if index >= size {
        return None;
    }
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            path.push(Leaves { begin: middle, end });
            end = middle;
        } else {
            path.push(Leaves { begin, end: middle });
            begin = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// The ranges of leaves whose hashes prove that the tree with `to` leaves began as the one with `from`
/// (RFC 9162, section 2.1.4.1); none where it cannot have.
pub fn consistency(from: u64, to: u64) -> Option<Vec<Leaves>> {
    if from == 0 || from > to {
        return None;
    }
    let (mut begin, mut end) = (0, to);
    let mut path = Vec::new();
    while from < end {
        let middle = begin + split(end - begin);
        if from <= middle {
            path.push(Leaves { begin: middle, end });
            end = middle;
        } else {
            path.push(Leaves { begin, end: middle });
            begin = middle;
        }
    }
    // Where that is the whole of the older tree, its root is known already.
    if begin > 0 {
        path.push(Leaves { begin, end });
    }
    path.reverse();
    Some(path)
}

/// The largest power of two below `size`, which is at least 2.
const fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// Whether `proof` shows that a leaf is the one at `index` in the tree of this size and root (RFC 9162,
/// section 2.1.3.2).
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(sibling, &hash);
            climb(&mut at, &mut last);
        } else {
            hash = node(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether `proof` shows that the tree of size `to` and root `new` began as the one of size `from` and root
/// `old` (RFC 9162, section 2.1.4.2).
pub fn verify_consistency(from: u64, to: u64, old: &Hash, new: &Hash, proof: &[Hash]) -> bool {
    if from == 0 || from > to {
        return false;
    }
    if from == to {
        return proof.is_empty() && old == new;
    }
    let is_complete = from.is_power_of_two();
    let mut proof = is_complete.then_some(old).into_iter().chain(proof);
    let Some(first) = proof.next() else { return false };
    let (mut at, mut last) = (from - 1, to - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut older, mut newer) = (*first, *first);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            older = node(sibling, &older);
            newer = node(sibling, &newer);
            climb(&mut at, &mut last);
        } else {
            newer = node(&newer, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && older == *old && newer == *new
}

/// Passes the levels on which a node at the tree's ragged end has no sibling.
const fn climb(at: &mut u64, last: &mut u64) {
    while *at & 1 == 0 && *at != 0 {
        *at >>= 1;
        *last >>= 1;
    }
}

#[cfg(test)]
mod tests;
