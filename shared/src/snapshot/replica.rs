//! The snapshot as an edge holds it: one head, its settings, and those nodes and leaves it has needed.
//!
//! The replica performs no I/O: it answers from what it holds, or names the object it lacks. For
//! each held object it keeps `through`, the newest `tree_generation` up to which the object is known
//! right, and believes a leaf only as far as the head's floors let it.

use super::cache::{Cache, Held, Object, Of};
use super::error::DecodeError;
use super::head::{Head, HeadOrder};
use super::leaf::Leaf;
use super::name::ObjectName;
use super::node::Node;
use super::object::{Origin, Place};
use crate::fingerprint::{Fingerprint, Pepper, PepperId};
use crate::policy::PolicyRef;
use crate::record::Record;
use crate::route::RouteTable;
use crate::settings::Settings;

/// How far ahead of the edge's clock a head may have been issued, in milliseconds.
pub const MAX_CLOCK_AHEAD_MS: u64 = 5 * 60 * 1000;

/// An object that must be had before a key can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Its name.
    pub name: ObjectName,
    /// Where in the tree it belongs.
    pub place: Place,
    /// Whether it is a leaf.
    pub is_leaf: bool,
    /// The generation up to which it is known right beyond the one it was built in.
    through: u64,
    /// The holding that it is for.
    version: u64,
}

/// What the replica says of a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// It is there.
    Found(Record, PolicyRef<'a>),
    /// It is known not to be there.
    Absent,
    /// That object must be loaded to tell.
    Need(Need),
    /// There is no head.
    NoHead,
}

/// Why a verified head is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadRefused {
    /// Not after the one that is held: the newer stays.
    #[error("older than the head that is held")]
    Older,
    /// Of an epoch below the one pinned in the Worker's configuration.
    #[error("epoch {got}, pinned to at least {pinned}")]
    BelowPinnedEpoch {
        /// Its epoch.
        got: u64,
        /// The lowest epoch allowed.
        pinned: u64,
    },
    /// Issued too far ahead of this clock.
    #[error("issued {ahead_ms} ms ahead of this clock")]
    FromTheFuture {
        /// How far ahead.
        ahead_ms: u64,
    },
    /// Expired already.
    #[error("expired")]
    Expired,
    /// Made with a pepper this edge does not have.
    #[error("made with pepper {pepper}, which this edge does not have")]
    UnknownPepper {
        /// The pepper.
        pepper: PepperId,
    },
}

/// What a replica is made with.
pub struct ReplicaOptions {
    /// The deployment whose objects are taken.
    pub deployment: String,
    /// The peppers this edge has: the one in use, and the next one while it is replaced.
    pub peppers: Vec<Pepper>,
    /// The lowest epoch taken.
    pub min_epoch: u64,
    /// Bytes that held objects may take before some are let go.
    pub cache_bytes: usize,
}

/// Where a lookup ended.
#[derive(Clone, Copy)]
enum Judged {
    /// At that entry of `recent`.
    Recent(usize),
    /// At that tree's leaf of that prefix, at its record of that position, if it has one.
    Leaf(Of, u32, Option<usize>),
    Need(Need),
    NoHead,
}

/// The edge's copy of the snapshot.
pub struct Replica {
    options: ReplicaOptions,
    head: Option<Head>,
    settings: Settings,
    settings_version: u32,
    routes: RouteTable,
    cache: Cache,
}

impl Replica {
    /// A replica that holds nothing yet.
    pub fn new(options: ReplicaOptions) -> Self {
        Self {
            cache: Cache::new(options.cache_bytes),
            options,
            head: None,
            settings: Settings::default(),
            settings_version: 0,
            routes: RouteTable::default(),
        }
    }

    /// The head that is held, whether or not it has expired.
    pub const fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The settings of the head that is held, or the defaults without one.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Another number each time that other settings are taken.
    pub const fn settings_version(&self) -> u32 {
        self.settings_version
    }

    /// The routes of those settings.
    pub const fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// The deployment and the pepper of a head, as its objects must carry them.
    pub fn origin<'a>(&'a self, head: &Head) -> Origin<'a> {
        Origin { deployment: &self.options.deployment, pepper: head.tree.pepper }
    }

    /// The pepper of the head that is held.
    pub fn pepper(&self) -> Option<&Pepper> {
        let id = self.head.as_ref()?.tree.pepper;
        self.options.peppers.iter().find(|pepper| pepper.id() == id)
    }

    /// Bytes the held objects take.
    pub fn held_bytes(&self) -> usize {
        self.cache.held_bytes()
    }

    /// Whether a verified head would be taken at `now_ms`. `Ok(false)` for the very head that is held.
    pub fn would_adopt(&self, head: &Head, now_ms: u64) -> Result<bool, HeadRefused> {
        if head.epoch < self.options.min_epoch {
            return Err(HeadRefused::BelowPinnedEpoch { got: head.epoch, pinned: self.options.min_epoch });
        }
        if head.issued_at > now_ms.saturating_add(MAX_CLOCK_AHEAD_MS) {
            return Err(HeadRefused::FromTheFuture { ahead_ms: head.issued_at - now_ms });
        }
        if now_ms >= head.expires_at {
            return Err(HeadRefused::Expired);
        }
        if !self.options.peppers.iter().any(|pepper| pepper.id() == head.tree.pepper) {
            return Err(HeadRefused::UnknownPepper { pepper: head.tree.pepper });
        }
        match self.order() {
            Some(held) if head.order() < held => Err(HeadRefused::Older),
            Some(held) => Ok(head.order() > held),
            None => Ok(true),
        }
    }

    /// Takes a head and the settings it names, unless [`Self::would_adopt`] says otherwise. Both are
    /// taken together, so that no request is judged by the keys of one and the routes of the other.
    pub fn adopt(&mut self, head: Head, settings: Settings, now_ms: u64) -> Result<bool, HeadRefused> {
        if !self.would_adopt(&head, now_ms)? {
            return Ok(false);
        }
        self.cache.follow(&head.tree, head.next.as_ref());
        if self.settings != settings || self.head.is_none() {
            self.routes = RouteTable::new(settings.routes.clone());
            self.settings = settings;
            self.settings_version = self.settings_version.wrapping_add(1);
        }
        self.head = Some(head);
        Ok(true)
    }

    /// The order of the head that is held.
    pub fn order(&self) -> Option<HeadOrder> {
        self.head.as_ref().map(Head::order)
    }

    /// What is known of `fingerprint`. Whether the record allows at `now_ms` decides how far a held leaf
    /// is believed, so the same time must judge the record that comes back. What comes back may be from
    /// before a widening change: whoever would refuse it for its policy asks [`Self::lookup_exact`].
    pub fn lookup(&mut self, fingerprint: &Fingerprint, now_ms: u64) -> Lookup<'_> {
        let judged = self.judge(fingerprint, Some(now_ms));
        self.answer(judged)
    }

    /// What is known of `fingerprint` exactly as of the head that is held, which is what a refusal must
    /// rest on.
    pub fn lookup_exact(&mut self, fingerprint: &Fingerprint) -> Lookup<'_> {
        let judged = self.judge(fingerprint, None);
        self.answer(judged)
    }

    /// Takes an object that was needed. It is checked whole; what does not fit any more since the
    /// tree was reshaped is dropped.
    pub fn insert(&mut self, need: &Need, bytes: Vec<u8>) -> Result<(), DecodeError> {
        let got = ObjectName::of(&bytes);
        if got != need.name {
            return Err(DecodeError::Name { expected: need.name, got });
        }
        let of = self.cache.of_version(need.version);
        let Some((of, holding)) = of.and_then(|of| Some((of, self.cache.holding(of)?))) else {
            return Ok(());
        };
        let origin = Origin { deployment: &self.options.deployment, pepper: holding.pepper() };
        let object = if need.is_leaf {
            Object::Leaf(Leaf::decode(bytes.into_boxed_slice(), origin, need.place)?)
        } else {
            Object::Node(Node::decode(&bytes, origin, need.place)?)
        };
        if !holding.takes(need.place, &object) {
            return Err(DecodeError::Meaningless { what: "node bits" });
        }
        self.cache.insert(of, need.place, Held::new(need.name, need.through, object));
        Ok(())
    }

    /// Marks the leaf that allowed `fingerprint` as used, so that it outlives those that only refuse: the
    /// next tree's, where that one would do, for warming must end with as much held as before.
    pub fn promote(&mut self, fingerprint: &Fingerprint) {
        let is_warmed = self.next_would_allow(fingerprint).unwrap_or(false);
        self.cache.promote(fingerprint, if is_warmed { Of::Next } else { Of::Current });
    }

    /// Whether a next tree is being built, so that [`Self::to_warm`] may know of something.
    pub fn has_next(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.next.is_some())
    }

    /// Objects of the next tree that are worth loading before heads name it, at most `most`: those that
    /// cover what is in use of the current one. Taken by [`Self::insert`] like any other.
    pub fn to_warm(&self, most: usize) -> Vec<Need> {
        let next = self.head.as_ref().and_then(|head| head.next.as_ref());
        let Some((next, holding)) = next.zip(self.cache.holding(Of::Next)) else {
            return Vec::new();
        };
        let need = |(place, name, is_leaf)| Need { name, place, is_leaf, through: 0, version: holding.version };
        self.cache.to_warm(next, most).into_iter().map(need).collect()
    }

    fn answer(&self, judged: Judged) -> Lookup<'_> {
        match judged {
            Judged::NoHead => Lookup::NoHead,
            Judged::Need(need) => Lookup::Need(need),
            Judged::Recent(at) => match self.head.as_ref().and_then(|head| head.recent.get(at)) {
                Some(entry) => entry
                    .state
                    .as_ref()
                    .map_or(Lookup::Absent, |(record, policy)| Lookup::Found(*record, policy.into())),
                None => Lookup::NoHead,
            },
            Judged::Leaf(_, _, None) => Lookup::Absent,
            Judged::Leaf(of, prefix, Some(position)) => self
                .cache
                .leaf_at(of, prefix)
                .and_then(|leaf| leaf.at(position))
                .map_or(Lookup::NoHead, |(record, policy)| Lookup::Found(record, policy)),
        }
    }

    /// Where the answer is. With a time, a leaf whose record allows then is believed from before
    /// widening changes.
    fn judge(&mut self, fingerprint: &Fingerprint, now_ms: Option<u64>) -> Judged {
        let Some(head) = &self.head else {
            return Judged::NoHead;
        };
        if let Ok(at) = head.recent.binary_search_by(|entry| entry.fingerprint.cmp(fingerprint)) {
            return Judged::Recent(at);
        }
        for of in [Of::Current, Of::Next] {
            let holding = self.cache.holding(of).filter(|holding| holding.pepper() == head.tree.pepper);
            let Some((prefix, leaf, through)) = holding.and_then(|holding| holding.leaf_towards(fingerprint)) else {
                continue;
            };
            let position = leaf.position(fingerprint);
            let record = position.and_then(|position| leaf.record_at(position));
            let allows = now_ms.is_some_and(|now_ms| record.is_some_and(|record| record.allows_at(now_ms)));
            let floor = if allows { head.narrowed_since } else { head.recent_since };
            if through >= floor {
                return Judged::Leaf(of, prefix, position);
            }
        }
        self.walk(fingerprint)
    }

    /// Whether the next tree would allow `fingerprint` if the current one held nothing. Any time that is
    /// about now will do: a head is signed anew every few minutes.
    fn next_would_allow(&self, fingerprint: &Fingerprint) -> Option<bool> {
        let (head, holding) = (self.head.as_ref()?, self.cache.holding(Of::Next)?);
        let (_, leaf, through) = holding.leaf_towards(fingerprint)?;
        let record = leaf.record_at(leaf.position(fingerprint)?)?;
        let is_believed = holding.pepper() == head.tree.pepper && through >= head.narrowed_since;
        Some(is_believed && record.allows_at(head.issued_at))
    }

    /// Walks from the head's top towards `fingerprint`, lifting `through` where a name is still the
    /// same, to the first object that is not held.
    fn walk(&mut self, fingerprint: &Fingerprint) -> Judged {
        let Some(head) = &self.head else {
            return Judged::NoHead;
        };
        let through = head.tree_generation;
        let Some(mut child) = head.tree.first_towards(fingerprint) else {
            return Judged::NoHead;
        };
        let Some(holding) = self.cache.current_mut() else {
            return Judged::NoHead;
        };
        let version = holding.version;
        let leaves = holding.levels.len().saturating_sub(1);
        for (index, level) in holding.levels.iter_mut().enumerate() {
            let (place, name) = child;
            let is_leaf = index == leaves;
            let held = level.places.get_mut(&place.prefix);
            let Some(held) = held.filter(|held| held.name == name) else {
                return Judged::Need(Need { name, place, is_leaf, through, version });
            };
            held.through = held.through.max(through);
            match &held.object {
                Object::Leaf(leaf) => return Judged::Leaf(Of::Current, place.prefix, leaf.position(fingerprint)),
                Object::Node(node) => match node.child_towards(fingerprint) {
                    Some(next) => child = next,
                    None => return Judged::NoHead,
                },
            }
        }
        Judged::NoHead
    }
}
