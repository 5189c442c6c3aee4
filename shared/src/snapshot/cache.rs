//! The nodes and leaves that a replica holds, found by their places, within a bound of bytes.
//!
//! Must never know which of them is still believed: that is the replica's.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use super::leaf::Leaf;
use super::name::ObjectName;
use super::node::Node;
use super::object::Place;
use super::tree::{Shape, Tree};
use crate::fingerprint::{Fingerprint, PepperId};

/// What is held at a place.
pub(super) struct Held {
    pub(super) object: Object,
    pub(super) name: ObjectName,
    /// The newest generation up to which the object is known right.
    pub(super) through: u64,
    /// When it was last promoted; 0 where it never was.
    pub(super) used_at: u64,
}

pub(super) enum Object {
    Node(Node),
    Leaf(Leaf),
}

impl Held {
    /// What came now. Everything up to the generation in which it was built is in it, and everything
    /// up to `through` as well.
    pub(super) fn new(name: ObjectName, through: u64, object: Object) -> Self {
        let stamp = match &object {
            Object::Node(node) => node.stamp(),
            Object::Leaf(leaf) => leaf.stamp(),
        };
        Self { through: through.max(stamp.generation), object, name, used_at: 0 }
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

/// What is held of one tree.
pub(super) struct Holding {
    shape: Shape,
    pepper: PepperId,
    /// No other holding of this cache has or had it.
    pub(super) version: u64,
    /// From the top to the leaves.
    pub(super) levels: Vec<Level>,
    held_bytes: usize,
}

/// Which of the two trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Of {
    /// The one that heads name.
    Current,
    /// The one that is being built beside it.
    Next,
}

/// Objects in memory, at most so many bytes of them in all.
pub(super) struct Cache {
    current: Option<Holding>,
    next: Option<Holding>,
    versions: u64,
    max_bytes: usize,
    tick: u64,
}

impl Holding {
    fn is_of(&self, tree: &Tree) -> bool {
        self.pepper == tree.pepper && self.shape == tree.shape
    }

    pub(super) const fn pepper(&self) -> PepperId {
        self.pepper
    }

    /// The leaf on the way to `fingerprint`, its prefix, and the newest generation up to which it is right.
    pub(super) fn leaf_towards(&self, fingerprint: &Fingerprint) -> Option<(u32, &Leaf, u64)> {
        let level = self.levels.last()?;
        let prefix = fingerprint.leading_bits(level.depth);
        let held = level.places.get(&prefix)?;
        match &held.object {
            Object::Leaf(leaf) => Some((prefix, leaf, held.through)),
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

    /// The leaves, by their prefixes, and how deep they lie.
    pub(super) fn leaves(&self) -> Option<&Level> {
        self.levels.last()
    }

    fn put(&mut self, place: Place, held: Held) {
        if let Some(level) = self.levels.iter_mut().find(|level| level.depth == place.depth) {
            self.held_bytes += held.bytes();
            let before = level.places.insert(place.prefix, held);
            self.held_bytes -= before.map_or(0, |held| held.bytes());
        }
    }

    fn remove(&mut self, level: usize, prefix: u32) {
        let gone = self.levels.get_mut(level).and_then(|level| level.places.remove(&prefix));
        self.held_bytes -= gone.map_or(0, |held| held.bytes());
    }
}

impl Cache {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self { current: None, next: None, versions: 0, max_bytes, tick: 0 }
    }

    /// Holds objects of these two trees from now on: all that was held of them stays, also of a next one
    /// that has become the current one, and all else goes.
    pub(super) fn follow(&mut self, tree: &Tree, next: Option<&Tree>) {
        if !self.current.as_ref().is_some_and(|held| held.is_of(tree)) {
            let warmed = self.next.take_if(|held| held.is_of(tree));
            self.current = Some(warmed.unwrap_or_else(|| self.begin(tree)));
        }
        let next = next.filter(|next| !self.current.as_ref().is_some_and(|held| held.is_of(next)));
        let held = self.next.take().filter(|held| next.is_some_and(|next| held.is_of(next)));
        self.next = held.or_else(|| next.map(|next| self.begin(next)));
    }

    fn begin(&mut self, tree: &Tree) -> Holding {
        self.versions += 1;
        let level = |depth| Level { depth, places: HashMap::default() };
        Holding {
            shape: tree.shape.clone(),
            pepper: tree.pepper,
            version: self.versions,
            levels: tree.shape.object_depths().map(level).collect(),
            held_bytes: 0,
        }
    }

    /// What is held of one of the trees.
    pub(super) const fn holding(&self, of: Of) -> Option<&Holding> {
        match of {
            Of::Current => self.current.as_ref(),
            Of::Next => self.next.as_ref(),
        }
    }

    pub(super) const fn current_mut(&mut self) -> Option<&mut Holding> {
        self.current.as_mut()
    }

    const fn holding_mut(&mut self, of: Of) -> Option<&mut Holding> {
        match of {
            Of::Current => self.current.as_mut(),
            Of::Next => self.next.as_mut(),
        }
    }

    /// What is held of both.
    pub(super) const fn both_mut(&mut self) -> (Option<&mut Holding>, Option<&Holding>) {
        (self.current.as_mut(), self.next.as_ref())
    }

    /// The latest time that anything was promoted.
    pub(super) const fn now(&self) -> u64 {
        self.tick
    }

    /// Which tree's objects are held under this version now.
    pub(super) fn of_version(&self, version: u64) -> Option<Of> {
        let is = |held: &&Holding| held.version == version;
        let current = self.current.as_ref().filter(is).map(|_| Of::Current);
        current.or_else(|| self.next.as_ref().filter(is).map(|_| Of::Next))
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.current.iter().chain(&self.next).map(|holding| holding.held_bytes).sum()
    }

    /// The leaf of this prefix.
    pub(super) fn leaf_at(&self, of: Of, prefix: u32) -> Option<&Leaf> {
        match &self.holding(of)?.leaves()?.places.get(&prefix)?.object {
            Object::Leaf(leaf) => Some(leaf),
            Object::Node(_) => None,
        }
    }

    /// Holds an object, unless what is held in its place is known right for longer.
    pub(super) fn insert(&mut self, of: Of, place: Place, mut held: Held) {
        let Some(holding) = self.holding_mut(of) else {
            return;
        };
        let before = holding.levels.iter().find(|level| level.depth == place.depth);
        let before = before.and_then(|level| level.places.get(&place.prefix));
        match of {
            Of::Current if before.is_some_and(|before| before.through > held.through) => return,
            Of::Current => {}
            // It is as old as what it covers, so as not to be the first to go.
            Of::Next => held.used_at = self.used_at(place),
        }
        if let Some(holding) = self.holding_mut(of) {
            holding.put(place, held);
        }
        if of == Of::Next {
            self.release_covered(place);
        }
        self.make_room(of, place);
    }

    /// Marks what lies on the way to `fingerprint` in that tree as used.
    pub(super) fn promote(&mut self, fingerprint: &Fingerprint, of: Of) {
        self.tick += 1;
        let tick = self.tick;
        let Some(used) = self.holding_mut(of) else {
            return;
        };
        for level in &mut used.levels {
            let prefix = fingerprint.leading_bits(level.depth);
            if let Some(held) = level.places.get_mut(&prefix) {
                held.used_at = tick;
            }
        }
    }

    /// Lets go of what was used longest ago until the objects fit. The newest arrival and the nodes
    /// above it stay, or a lookup whose path does not fit would never come to its end.
    fn make_room(&mut self, of: Of, arrival: Place) {
        while self.held_bytes() > self.max_bytes {
            let both = [(Of::Current, &self.current), (Of::Next, &self.next)];
            let oldest = both
                .into_iter()
                .flat_map(|(which, holding)| holding.iter().map(move |holding| (which, holding)))
                .flat_map(|(which, holding)| {
                    holding.levels.iter().enumerate().map(move |(index, level)| (which, index, level))
                })
                .flat_map(|(which, index, level)| {
                    let on_the_path = arrival.depth.checked_sub(level.depth).map(|below| arrival.prefix >> below);
                    let stays = on_the_path.filter(|_| which == of);
                    let others = level.places.iter().filter(move |(prefix, _)| Some(**prefix) != stays);
                    others.map(move |(&prefix, held)| (held.used_at, which, index, prefix))
                })
                .min();
            let Some((_, which, index, prefix)) = oldest else {
                return;
            };
            if let Some(holding) = self.holding_mut(which) {
                holding.remove(index, prefix);
            }
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
