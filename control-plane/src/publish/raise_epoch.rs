//! `raise-epoch`: what an operator runs when this database and Workers KV tell different histories,
//! as after a restore from a backup.
//!
//! Epoch and generation go above both histories, and the next tree is built anew with all floors
//! equal, so that no edge believes a leaf of the lost history. Keys that this database has and KV's
//! last state had not (they were deleted, or their secret ended, after the backup) are disabled until
//! an operator confirms each.

use std::collections::BTreeSet;
use std::sync::Arc;

use keyward_shared::fingerprint::{Fingerprint, PepperId};
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::snapshot::{
    DecodeError, Head, HeadOrder, Leaf, MAX_HEAD_BYTES, Node, ObjectName, Origin, Place, PublicKey, TrustedKeys,
};

use super::error::PublishError;
use super::kv::KvClient;
use super::source::PublicationStore;
use super::upload::HEAD_KEY;

/// A key that lives in this database and did not in KV's last state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The key.
    pub key: KeyId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: String,
    /// Whether it was disabled already.
    pub disabled: bool,
}

/// What was found and done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaisedEpoch {
    /// The head that KV holds, if it holds one of ours.
    pub kv: Option<HeadOrder>,
    /// The epoch that the next publisher goes above.
    pub epoch: u64,
    /// The generation that the next head goes above.
    pub generation: u64,
    /// Keys to be disabled until an operator confirms each.
    pub orphans: Vec<Orphan>,
}

/// Looks at both histories.
pub struct RaiseEpoch {
    /// The database.
    pub store: Arc<dyn PublicationStore>,
    /// The namespace.
    pub kv: KvClient,
    /// Name of the deployment.
    pub deployment: String,
    /// The key that heads are signed with.
    pub public_key: PublicKey,
    /// The pepper that this database's fingerprints were made with.
    pub pepper: PepperId,
}

impl RaiseEpoch {
    /// Compares both histories and lifts this database above them. The caller holds the data
    /// directory's lock, disables the orphans, and starts the publisher afterwards.
    pub async fn run(&self) -> Result<RaisedEpoch, PublishError> {
        let trusted = TrustedKeys::new(vec![self.public_key]).ok_or(PublishError::Mismatch { what: "key" })?;
        let head = match self.kv.get(HEAD_KEY).await? {
            Some(bytes) if bytes.len() <= MAX_HEAD_BYTES => Some(Head::verify(&bytes, &self.deployment, &trusted)?),
            _ => None,
        };
        let recorded = self.store.recorded_head().await?.map(|recorded| recorded.order);
        let orphans = match &head {
            Some(head) => self.orphans(head).await?,
            None => Vec::new(),
        };
        let orders: Vec<_> = head.as_ref().map(Head::order).into_iter().chain(recorded).collect();
        let committed = self.store.generation().await?.0;
        let carried = head.as_ref().map_or(0, |head| head.narrowed_through);
        let epoch = orders.iter().map(|order| order.epoch).max().unwrap_or(0);
        let generation = orders.iter().map(|order| order.generation).max().unwrap_or(0).max(committed).max(carried) + 1;
        self.store.raise_counters(epoch, generation).await?;
        Ok(RaisedEpoch { kv: head.map(|head| head.order()), epoch, generation, orphans })
    }

    async fn orphans(&self, head: &Head) -> Result<Vec<Orphan>, PublishError> {
        if head.tree.pepper != self.pepper {
            return Err(PublishError::Mismatch { what: "pepper" });
        }
        let known = self.fingerprints(head).await?;
        let live = self.store.live_keys().await?;
        let mut orphans: Vec<Orphan> = live
            .into_iter()
            .filter(|live| !known.contains(&live.fingerprint))
            .map(|live| Orphan { key: live.key, workspace: live.workspace, name: live.name, disabled: live.disabled })
            .collect();
        orphans.sort_by_key(|orphan| orphan.key);
        orphans.dedup_by_key(|orphan| orphan.key);
        Ok(orphans)
    }

    /// Every fingerprint of KV's last state: its tree, with `recent` on top.
    async fn fingerprints(&self, head: &Head) -> Result<BTreeSet<Fingerprint>, PublishError> {
        let origin = Origin { deployment: &self.deployment, pepper: head.tree.pepper };
        let depths: Vec<u8> = head.tree.shape.object_depths().collect();
        let mut names = head.tree.top.clone();
        let mut known = BTreeSet::new();
        for (level, &depth) in depths.iter().enumerate() {
            let is_leaf = level + 1 == depths.len();
            let mut below = Vec::new();
            for (prefix, name) in names.iter().enumerate() {
                let place = Place { depth, prefix: u32::try_from(prefix).unwrap_or(u32::MAX) };
                let bytes = self.object(name).await?;
                if is_leaf {
                    let leaf = Leaf::decode(bytes.into_boxed_slice(), origin, place)?;
                    known.extend(leaf.records().map(|(fingerprint, ..)| fingerprint));
                } else {
                    below.extend_from_slice(Node::decode(&bytes, origin, place)?.children());
                }
            }
            names = below;
        }
        for entry in &head.recent {
            if entry.state.is_some() {
                known.insert(entry.fingerprint);
            } else {
                known.remove(&entry.fingerprint);
            }
        }
        Ok(known)
    }

    async fn object(&self, name: &ObjectName) -> Result<Vec<u8>, PublishError> {
        let bytes = self.kv.get(&name.kv_key()).await?.ok_or(PublishError::ObjectGone { name: *name })?;
        let got = ObjectName::of(&bytes);
        if got == *name { Ok(bytes) } else { Err(DecodeError::Name { expected: *name, got }.into()) }
    }
}
