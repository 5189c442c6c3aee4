//! Taking up where the last publisher stopped, from what it recorded.

use std::collections::BTreeMap;

use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{Leaf, Node, ObjectName, Place, Tree, decode_settings};

use super::builder::{BuildFor, BuiltTree};
use super::error::PublishError;
use super::heads::HeadSigner;
use super::recent::Recent;
use super::source::PublicationStore;
use super::tree::TreeNames;
use crate::store::publication::RecordedHead;

/// What was published last.
pub(super) struct LastPublished {
    pub(super) generation: u64,
    pub(super) tree_generation: u64,
    pub(super) tree: TreeNames,
    /// The tree that was being warmed, and what is in it.
    pub(super) next: Option<(TreeNames, u64)>,
    pub(super) recent: Recent,
    pub(super) settings: Option<(Settings, ObjectName)>,
}

impl LastPublished {
    /// A tree of everything, and nothing to say beside it.
    pub(super) fn fresh(built: BuiltTree) -> Self {
        Self {
            generation: built.generation,
            tree_generation: built.generation,
            recent: Recent::starting_at(built.generation),
            tree: built.names,
            next: None,
            settings: None,
        }
    }
}

/// What the record says, or `None` where the tree must be built anew: there is no record, it is of
/// another pepper or key, or an object of it is gone.
pub(super) async fn last_published(
    store: &dyn PublicationStore,
    signer: &HeadSigner,
    built_for: &BuildFor,
    recorded: Option<&RecordedHead>,
) -> Result<Option<LastPublished>, PublishError> {
    let Some(head) = recorded.and_then(|recorded| signer.read(&recorded.bytes).ok()) else {
        return Ok(None);
    };
    if head.tree.pepper != built_for.pepper {
        return Ok(None);
    }
    let Some(tree) = tree_of(store, built_for, &head.tree).await? else {
        return Ok(None);
    };
    let next = match &head.next {
        Some(next) => match next_of(store, built_for, next).await? {
            // Its objects could not be retired by their names.
            None => return Ok(None),
            next => next,
        },
        None => None,
    };
    let settings = match store.object(&head.settings).await? {
        Some(bytes) => decode_settings(&bytes, built_for.origin()).ok().map(|settings| (settings, head.settings)),
        None => None,
    };
    let mut view = store.view().await?;
    let from = head.recent.iter().map(|entry| entry.generation).min().unwrap_or(head.generation);
    let marks = view.marks_after(from.saturating_sub(1)).await?;
    let known: BTreeMap<_, _> = marks.into_iter().map(|mark| ((mark.fingerprint, mark.generation), mark)).collect();
    let recent = Recent::of_head(&head, |fingerprint, generation| known.get(&(*fingerprint, generation)).copied())?;
    Ok(Some(LastPublished {
        generation: head.generation,
        tree_generation: head.tree_generation,
        tree,
        next,
        recent,
        settings,
    }))
}

/// The tree that was being warmed: all of it was built in one generation, which each object tells.
async fn next_of(
    store: &dyn PublicationStore,
    built_for: &BuildFor,
    next: &Tree,
) -> Result<Option<(TreeNames, u64)>, PublishError> {
    let Some(names) = tree_of(store, built_for, next).await? else {
        return Ok(None);
    };
    let depth = next.shape.object_depths().next().unwrap_or_default();
    let (place, origin) = (Place { depth, prefix: 0 }, built_for.origin());
    let Some(bytes) = (match next.top.first() {
        Some(name) => store.object(name).await?,
        None => None,
    }) else {
        return Ok(None);
    };
    let stamp = if depth == next.shape.depth() {
        Leaf::decode(bytes.into_boxed_slice(), origin, place).map(|leaf| leaf.stamp())
    } else {
        Node::decode(&bytes, origin, place).map(|node| node.stamp())
    };
    Ok(stamp.ok().map(|stamp| (names, stamp.generation)))
}

async fn tree_of(
    store: &dyn PublicationStore,
    built_for: &BuildFor,
    tree: &Tree,
) -> Result<Option<TreeNames>, PublishError> {
    let depths: Vec<u8> = tree.shape.object_depths().collect();
    let mut levels = vec![tree.top.clone()];
    for depth in depths.iter().take(depths.len().saturating_sub(1)) {
        let mut below = Vec::new();
        for (prefix, name) in levels.last().into_iter().flatten().enumerate() {
            let place = Place { depth: *depth, prefix: u32::try_from(prefix).unwrap_or(u32::MAX) };
            let Some(bytes) = store.object(name).await? else {
                return Ok(None);
            };
            // What was recorded and cannot be read again is built anew.
            let Ok(node) = Node::decode(&bytes, built_for.origin(), place) else {
                return Ok(None);
            };
            below.extend_from_slice(node.children());
        }
        levels.push(below);
    }
    Ok(TreeNames::new(tree.shape.clone(), tree.pepper, levels))
}
