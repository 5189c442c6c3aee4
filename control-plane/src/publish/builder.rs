//! Building the tree from one view of the database: the leaves that changed, or all of them.
//!
//! What it makes is staged in the record before anything names it. Every object is decoded again and
//! compared, so that nothing is published which an edge would refuse to load.

use keyward_shared::fingerprint::{Fingerprint, PepperId};
use keyward_shared::snapshot::{
    EncodeError, Leaf, LeafBuilder, MAX_LEAF_BYTES, Node, ObjectName, Origin, Place, RECORD_BYTES, Shape, Stamp,
};

use super::error::PublishError;
use super::tree::{MAX_DEPTH, NewNode, TreeNames, wanted_depth};
use crate::store::live::{LiveRange, LiveSecrets};
use crate::store::publication::{Publication, PublicationView};

/// Bytes of objects that are staged in one transaction.
const STAGE_BYTES: usize = 4 << 20;
/// Records that are read at once: enough that their keys lie close to one another when they are read
/// in their own order, and a few dozen bytes each in memory.
const READ_RECORDS: u64 = 1 << 19;
/// A leaf that has grown beyond this has the tree deepened, long before edges would refuse it.
const LEAF_LIMIT: usize = MAX_LEAF_BYTES / 2;
/// More records than this are beyond it, whatever their policies.
const LEAF_RECORDS: u64 = (LEAF_LIMIT / RECORD_BYTES) as u64;

/// For whom objects are built.
#[derive(Debug, Clone)]
pub(super) struct BuildFor {
    pub(super) deployment: String,
    pub(super) pepper: PepperId,
    pub(super) epoch: u64,
    /// Records that a leaf is aimed at.
    pub(super) leaf_records: u64,
}

impl BuildFor {
    pub(super) fn origin(&self) -> Origin<'_> {
        Origin { deployment: &self.deployment, pepper: self.pepper }
    }
}

/// A tree that was built and staged.
pub(super) struct BuiltTree {
    pub(super) names: TreeNames,
    /// Everything up to here is in it.
    pub(super) generation: u64,
    pub(super) new: Vec<ObjectName>,
    pub(super) given_up: Vec<ObjectName>,
    /// How deep the leaves of a tree of as many records should lie, given how deep these lie.
    pub(super) wanted_depth: u8,
    /// Whether it was made of the deeper tree that was given beside one.
    pub(super) of_deeper: bool,
}

/// What to build.
pub(super) enum Wanted {
    /// A tree of everything, as deep as its records want it.
    Fitting,
    /// A tree of everything, its leaves so deep at least.
    AtDepth(u8),
    /// A tree that holds everything up to a generation, with the leaves rebuilt that changed since. Where
    /// one has grown too large, the same of the deeper tree, if there is one; else one of everything.
    After { tree: (TreeNames, u64), deeper: Option<(TreeNames, u64)> },
}

/// Builds a tree as of `view`.
pub(super) async fn build(
    store: &dyn Publication,
    mut view: Box<dyn PublicationView>,
    built_for: &BuildFor,
    wanted: Wanted,
) -> Result<BuiltTree, PublishError> {
    let records = view.live_count().await?;
    let mut build =
        Build { store, view: &mut *view, built_for, records, staged: Vec::new(), staged_bytes: 0, new: Vec::new() };
    let (depth, given_up) = match wanted {
        Wanted::Fitting => (wanted_depth(records, None, built_for.leaf_records), Vec::new()),
        Wanted::AtDepth(depth) => (depth, Vec::new()),
        Wanted::After { tree: (names, since), deeper } => {
            let mut outgrown = names.shape.depth();
            let given_up = names.names().copied().collect();
            if let Some(built) = build.some_leaves(names, since).await? {
                return Ok(built);
            }
            if let Some((names, since)) = deeper {
                outgrown = names.shape.depth();
                if let Some(built) = build.some_leaves(names, since).await? {
                    return Ok(BuiltTree { of_deeper: true, ..built });
                }
            }
            (wanted_depth(records, Some(outgrown), built_for.leaf_records).max(outgrown + 1), given_up)
        }
    };
    for depth in depth..=MAX_DEPTH {
        if let Some(mut built) = build.all_leaves(depth).await? {
            built.given_up = given_up;
            return Ok(built);
        }
        tracing::info!(depth, "a leaf of the tree is too large: deepening it");
    }
    Err(PublishError::TooDeep)
}

struct Build<'a> {
    store: &'a dyn Publication,
    view: &'a mut dyn PublicationView,
    built_for: &'a BuildFor,
    /// How many there are in all.
    records: u64,
    staged: Vec<(ObjectName, Vec<u8>)>,
    staged_bytes: usize,
    new: Vec<ObjectName>,
}

impl Build<'_> {
    const fn stamp(&self, generation: u64) -> Stamp {
        Stamp { epoch: self.built_for.epoch, generation }
    }

    /// Whether some leaf at `depth` cannot but be too large. Then none is read: one alone may be more than
    /// memory takes.
    const fn is_outgrown(&self, depth: u8) -> bool {
        depth < MAX_DEPTH && self.records >> depth > LEAF_RECORDS
    }

    /// The tree with the leaves rebuilt that changed after `since`; `None` where one has grown too large.
    async fn some_leaves(&mut self, mut names: TreeNames, since: u64) -> Result<Option<BuiltTree>, PublishError> {
        let generation = self.view.generation();
        let depth = names.shape.depth();
        if self.is_outgrown(depth) {
            return Ok(None);
        }
        self.new.clear();
        let (touched, _) = self.view.touched_after(since).await?;
        let mut prefixes: Vec<u32> = touched.iter().map(|fingerprint| fingerprint.leading_bits(depth)).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        let places: Vec<_> = prefixes.iter().map(|&prefix| Place { depth, prefix }).collect();
        let Some(leaf_names) = self.leaves(&places).await? else {
            return Ok(None);
        };
        let leaves: Vec<_> = prefixes.into_iter().zip(leaf_names).collect();
        let (nodes, given_up) = names
            .replace_leaves(self.built_for.origin(), self.stamp(generation), &leaves)
            .ok_or(PublishError::Mismatch { what: "tree" })?;
        self.finish(nodes).await?;
        Ok(Some(self.built(names, generation, given_up)))
    }

    /// A tree of all leaves at `depth`; `None` where one is too large.
    async fn all_leaves(&mut self, depth: u8) -> Result<Option<BuiltTree>, PublishError> {
        if self.is_outgrown(depth) {
            return Ok(None);
        }
        self.new.clear();
        let generation = self.view.generation();
        let places: Vec<_> = (0..1_u32 << depth).map(|prefix| Place { depth, prefix }).collect();
        let Some(leaves) = self.leaves(&places).await? else {
            return Ok(None);
        };
        let (names, nodes) =
            TreeNames::over_leaves(Shape::of_depth(depth), self.built_for.origin(), self.stamp(generation), leaves)
                .ok_or(PublishError::Mismatch { what: "tree" })?;
        self.finish(nodes).await?;
        Ok(Some(self.built(names, generation, Vec::new())))
    }

    fn built(&mut self, names: TreeNames, generation: u64, given_up: Vec<ObjectName>) -> BuiltTree {
        // Fat policies may have it deeper than its number of records alone wants it.
        let wanted_depth = wanted_depth(self.records, Some(names.shape.depth()), self.built_for.leaf_records);
        BuiltTree { names, generation, new: std::mem::take(&mut self.new), given_up, wanted_depth, of_deeper: false }
    }

    /// The leaves of these places, which lie at one depth; `None` where one is too large.
    async fn leaves(&mut self, places: &[Place]) -> Result<Option<Vec<ObjectName>>, PublishError> {
        let mut names = Vec::with_capacity(places.len());
        let of_one = places.first().map_or(1, |place| (self.records >> place.depth).max(1));
        let mut at_once = usize::try_from(READ_RECORDS / of_one).unwrap_or(1).max(1);
        while let Some(rest) = places.get(names.len()..).filter(|rest| !rest.is_empty()) {
            let some = &rest[..at_once.min(rest.len())];
            let ranges: Vec<_> = some.iter().map(|&place| bounds(place)).collect();
            let Some(secrets) = self.live_in(&ranges).await? else {
                at_once = (some.len() / 2).max(1);
                continue;
            };
            for (&place, secrets) in some.iter().zip(secrets.ranges()) {
                // Encoding takes a thread that others wait for too.
                tokio::task::yield_now().await;
                let Some(name) = self.leaf(place, secrets).await? else {
                    return Ok(None);
                };
                names.push(name);
            }
        }
        Ok(Some(names))
    }

    async fn live_in(&mut self, ranges: &[(Fingerprint, Fingerprint)]) -> Result<Option<LiveSecrets>, PublishError> {
        Ok(self.view.live_in(ranges).await?)
    }

    async fn leaf(&mut self, place: Place, secrets: LiveRange<'_>) -> Result<Option<ObjectName>, PublishError> {
        let bytes = match encode_leaf(self.built_for.origin(), place, self.stamp(self.view.generation()), secrets) {
            Ok(bytes) if bytes.len() <= LEAF_LIMIT || place.depth >= MAX_DEPTH => bytes,
            Ok(_) | Err(PublishError::Encode(EncodeError::TooLarge { .. })) => return Ok(None),
            Err(error) => return Err(error),
        };
        self.stage(ObjectName::of(&bytes), bytes).await.map(Some)
    }

    async fn finish(&mut self, nodes: Vec<NewNode>) -> Result<(), PublishError> {
        for NewNode { place, name, bytes } in nodes {
            Node::decode(&bytes, self.built_for.origin(), place)?;
            self.stage(name, bytes).await?;
        }
        self.flush().await
    }

    async fn stage(&mut self, name: ObjectName, bytes: Vec<u8>) -> Result<ObjectName, PublishError> {
        self.staged_bytes += bytes.len();
        self.staged.push((name, bytes));
        self.new.push(name);
        if self.staged_bytes >= STAGE_BYTES {
            self.flush().await?;
        }
        Ok(name)
    }

    async fn flush(&mut self) -> Result<(), PublishError> {
        self.store.stage_objects(&self.staged).await?;
        self.staged.clear();
        self.staged_bytes = 0;
        Ok(())
    }
}

fn encode_leaf(
    origin: Origin<'_>,
    place: Place,
    stamp: Stamp,
    secrets: LiveRange<'_>,
) -> Result<Vec<u8>, PublishError> {
    let mut leaf = LeafBuilder::new(place);
    for (fingerprint, record, policy) in secrets.iter() {
        leaf.push(fingerprint, &record, policy)?;
    }
    let bytes = leaf.finish(origin, stamp)?;
    let read = Leaf::decode(bytes.clone().into_boxed_slice(), origin, place)?;
    let mut written = secrets.iter();
    let mut same = read.records().all(|(fingerprint, record, policy)| {
        written
            .next()
            .is_some_and(|(wrote, of, granted)| (wrote, of) == (fingerprint, record) && policy.to_policy() == *granted)
    });
    same &= written.next().is_none();
    if !same {
        return Err(PublishError::Mismatch { what: "leaf" });
    }
    Ok(bytes)
}

/// The first and the last fingerprint of a place.
fn bounds(place: Place) -> (Fingerprint, Fingerprint) {
    let shift = 32 - u32::from(place.depth);
    let first = u32::try_from(u64::from(place.prefix) << shift).unwrap_or(u32::MAX);
    let last = first | u32::try_from((1_u64 << shift) - 1).unwrap_or(u32::MAX);
    let fill = |leading: u32, rest: u8| {
        let mut bytes = [rest; Fingerprint::LEN];
        bytes[..4].copy_from_slice(&leading.to_be_bytes());
        Fingerprint::from_bytes(bytes)
    };
    (fill(first, 0), fill(last, u8::MAX))
}

#[cfg(test)]
mod tests;
