//! `raise-epoch`: what an operator runs when this database and Workers KV tell different histories,
//! as after a restore from a backup.
//!
//! Epoch and generation go above both histories, and the next tree is built anew with all floors
//! equal, so that no edge believes a leaf of the lost history. Secrets that this database would let pass
//! and that KV's last state did not let pass in the same way (they were deleted, disabled, narrowed or
//! shortened after the backup) have their keys disabled first, until an operator confirms each. Only
//! then are the counters lifted: a run that breaks off in between changes nothing that edges see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keyward_shared::fingerprint::{Fingerprint, PepperId};
use keyward_shared::id::{KeyId, WorkspaceId};
use keyward_shared::policy::Policy;
use keyward_shared::record::Record;
use keyward_shared::snapshot::{
    DecodeError, Head, HeadOrder, Leaf, MAX_HEAD_BYTES, MAX_OBJECT_BYTES, Node, ObjectName, Origin, Place, PublicKey,
    TrustedKeys,
};
use tokio::time::sleep;

use super::error::PublishError;
use super::kv::KvApi;
use super::source::PublicationStore;
use super::upload::HEAD_KEY;
use crate::domain::audit::checkpoint::{Checkpoint, incarnation_of};
use crate::domain::audit::note::{self, VerifierKey};
use crate::domain::audit::publishing::{Counters, Witnessed, epoch_raised};
use crate::domain::time::UnixMillis;
use crate::lifecycle::last_signed::{LastSigned, Signed};
use crate::store::audit::TreeState;
use crate::store::publication::Raise;

/// From this many objects on they are asked for at a pace that the API allows: 1,200 calls in five
/// minutes.
const UNPACED_OBJECTS: usize = 1_000;
/// Further than epoch and generation can have come since a backup. They go up by this much, and to the time
/// at least, where KV cannot say how far they came.
const UNSEEN: u64 = 1_000_000;
/// What KV's head counts to is below this, or no control plane of ours came to it: above, as many follow before
/// JSON's numbers do not hold them exactly any more (RFC 8259, section 6).
const END: u64 = 1 << 52;
const PACE: Duration = Duration::from_millis(260);

/// A key that this database would let pass in a way that KV's last state did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The key.
    pub key: KeyId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: String,
}

/// What the two histories came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The head that KV holds, if it holds one of ours.
    pub kv: Option<HeadOrder>,
    /// The newest generation that KV's head tells of.
    carried: u64,
    /// When KV's head expires.
    expires_at: UnixMillis,
    /// The checkpoint of the audit log that KV's head carries.
    checkpoint: Option<String>,
    /// Keys to be disabled until an operator confirms each.
    pub orphans: Vec<Orphan>,
}

/// Above what the next publisher goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised {
    /// The epoch.
    pub epoch: u64,
    /// The generation.
    pub generation: u64,
    /// The incarnation of the audit log, of which nothing was ever signed.
    pub incarnation: u32,
}

/// Both histories.
pub struct RaiseEpoch {
    /// The database.
    pub store: Arc<dyn PublicationStore>,
    /// The namespace; nothing where edges read over http alone, and so nothing can be compared.
    pub kv: Option<Arc<dyn KvApi>>,
    /// Name of the deployment.
    pub deployment: String,
    /// The key that heads are signed with.
    pub public_key: PublicKey,
    /// The pepper that this database's fingerprints were made with.
    pub pepper: PepperId,
    /// Where what was signed last of the audit log is kept.
    pub last_signed: Option<LastSigned>,
    /// How long a head is valid.
    pub head_ttl: Duration,
}

impl RaiseEpoch {
    /// Compares both histories and changes nothing. The caller holds the data directory's lock,
    /// disables the orphans, and then raises.
    pub async fn compare(&self) -> Result<Comparison, PublishError> {
        let trusted = TrustedKeys::new(vec![self.public_key]).ok_or(PublishError::Mismatch { what: "key" })?;
        let bytes = match &self.kv {
            Some(kv) => kv.get(HEAD_KEY, MAX_HEAD_BYTES).await?,
            None => None,
        };
        let Some(bytes) = bytes else {
            return Ok(Comparison {
                kv: None,
                carried: 0,
                expires_at: UnixMillis::from_millis(0),
                checkpoint: None,
                orphans: Vec::new(),
            });
        };
        let head = Head::verify(&bytes, &self.deployment, &trusted)?;
        if head.tree.pepper != self.pepper {
            return Err(PublishError::Mismatch { what: "pepper" });
        }
        // Before anything is done to keys.
        let generation = head.generation.max(head.narrowed_through);
        for (what, number) in [("epoch", head.epoch), ("generation", generation)] {
            if number >= END {
                return Err(PublishError::Exhausted { what, number });
            }
        }
        let orphans = self.orphans(&head).await?;
        let expires_at = UnixMillis::from_millis(i64::try_from(head.expires_at).unwrap_or(i64::MAX));
        let checkpoint = String::from_utf8(head.checkpoint.clone()).ok().filter(|note| !note.is_empty());
        Ok(Comparison { kv: Some(head.order()), carried: head.narrowed_through, expires_at, checkpoint, orphans })
    }

    /// Lifts epoch and generation above both histories, and tells the audit log, which goes on under a name
    /// of its own: whatever was signed of a history that is lost, nothing contradicts it.
    pub async fn raise(&self, comparison: &Comparison, now: UnixMillis) -> Result<Raised, PublishError> {
        // A backup may have been raised before, on another machine, and gone on from there: the clock is what
        // that one and this one have in common. Milliseconds stay below 2^52, seconds below 2^32 until 2106.
        let clock = now.as_millis().max(0).cast_unsigned();
        let recorded = self.store.recorded_head().await?.map(|recorded| recorded.order);
        let committed = self.store.generation().await?.0;
        let orders = || comparison.kv.into_iter().chain(recorded);
        let generation = orders().map(|order| order.generation).chain([committed, comparison.carried]).max();
        let epoch = orders().map(|order| order.epoch).max();
        let (lift, least) = if comparison.kv.is_some() { (1, 0) } else { (UNSEEN, clock) };
        let above = |number: Option<u64>| number.unwrap_or(0).saturating_add(lift).max(least);
        let after = Counters { epoch: above(epoch), generation: above(generation) };
        let before = Counters { epoch: recorded.map_or(0, |order| order.epoch), generation: committed };
        let tree = self.store.tree().await?;
        let seconds = u32::try_from(clock / 1_000).unwrap_or(0);
        let incarnation = self.incarnation(comparison.checkpoint.as_deref(), &tree)?.max(seconds);
        let kv = comparison.kv.map(|order| Witnessed {
            counters: Counters { epoch: order.epoch, generation: order.generation },
            checkpoint: comparison.checkpoint.clone(),
        });
        let incarnations = (tree.incarnation, incarnation);
        let event = epoch_raised(now, (before, after), incarnations, kv.as_ref(), comparison.orphans.len());
        // Of the lost history edges may hold a head that KV never had, signed at the latest now.
        let valid = i64::try_from(self.head_ttl.as_millis()).unwrap_or(i64::MAX);
        let expiry = UnixMillis::from_millis(now.as_millis().saturating_add(valid)).max(comparison.expires_at);
        let raise = Raise { epoch: after.epoch, generation: after.generation, expiry, incarnation, event };
        self.store.raise_counters(&raise).await?;
        // Until this is kept too, nothing of the new name is signed, and this can be run again.
        if let Some(last_signed) = &self.last_signed {
            last_signed.replace(&Signed::nothing_of(incarnation), now)?;
        }
        Ok(Raised { epoch: after.epoch, generation: after.generation, incarnation })
    }

    /// A name under which nothing was signed, as far as KV, the data directory and this database know. Edges
    /// may have seen more than any of them, also where what KV holds is the beginning of this log: so the name
    /// is that of the time, unless one of them knows of a later one.
    fn incarnation(&self, note: Option<&str>, tree: &TreeState) -> Result<u32, PublishError> {
        let last = self.last_signed.as_ref().map(LastSigned::read).transpose()?.flatten();
        let named = note.and_then(|note| self.incarnation_signed(note));
        let used = [Some(tree.incarnation), last.map(|last| last.incarnation), named];
        Ok(used.into_iter().flatten().max().unwrap_or(0).saturating_add(1))
    }

    /// Of which incarnation a checkpoint is that this deployment signed.
    fn incarnation_signed(&self, note: &str) -> Option<u32> {
        let key = VerifierKey::new(note.lines().next()?, &self.public_key.to_bytes())?;
        let checkpoint = Checkpoint::parse(note::open(note, &[key]).ok()?).ok()?;
        incarnation_of(&self.deployment, &checkpoint.origin)
    }

    async fn orphans(&self, head: &Head) -> Result<Vec<Orphan>, PublishError> {
        let published = self.published(head).await?;
        let (first, last) =
            (Fingerprint::from_bytes([0; Fingerprint::LEN]), Fingerprint::from_bytes([u8::MAX; Fingerprint::LEN]));
        let live = self.store.view().await?.live_between(first, last).await?;
        let passes = |record: &Record| !record.disabled && !record.paused && !record.suspended;
        let unconfirmed: BTreeMap<KeyId, WorkspaceId> = live
            .into_iter()
            .filter(|(_, record, _)| passes(record))
            .filter(|(fingerprint, record, policy)| {
                published.get(fingerprint).is_none_or(|known| known != &(*record, policy.clone()))
            })
            .map(|(_, record, policy)| (record.key, policy.workspace))
            .collect();
        let names: BTreeMap<KeyId, String> =
            self.store.live_keys().await?.into_iter().map(|live| (live.key, live.name)).collect();
        let orphan = |(key, workspace)| {
            let name = names.get(&key).cloned().unwrap_or_default();
            Orphan { key, workspace, name }
        };
        Ok(unconfirmed.into_iter().map(orphan).collect())
    }

    /// What KV's last state says of every secret: its tree, with `recent` on top.
    async fn published(&self, head: &Head) -> Result<BTreeMap<Fingerprint, (Record, Policy)>, PublishError> {
        let origin = Origin { deployment: &self.deployment, pepper: head.tree.pepper };
        let depths: Vec<u8> = head.tree.shape.object_depths().collect();
        let paced = 1_usize << depths.last().copied().unwrap_or(0) > UNPACED_OBJECTS;
        let mut names = head.tree.top.clone();
        let mut published = BTreeMap::new();
        for (level, &depth) in depths.iter().enumerate() {
            let is_leaf = level + 1 == depths.len();
            let mut below = Vec::new();
            for (prefix, name) in names.iter().enumerate() {
                let place = Place { depth, prefix: u32::try_from(prefix).unwrap_or(u32::MAX) };
                let bytes = self.object(name).await?;
                if is_leaf {
                    let leaf = Leaf::decode(bytes.into_boxed_slice(), origin, place)?;
                    let records = leaf.records();
                    published.extend(
                        records.map(|(fingerprint, record, policy)| (fingerprint, (record, policy.to_policy()))),
                    );
                } else {
                    below.extend_from_slice(Node::decode(&bytes, origin, place)?.children());
                }
                if paced {
                    sleep(PACE).await;
                }
            }
            names = below;
        }
        for entry in &head.recent {
            match &entry.state {
                Some(state) => drop(published.insert(entry.fingerprint, state.clone())),
                None => drop(published.remove(&entry.fingerprint)),
            }
        }
        Ok(published)
    }

    async fn object(&self, name: &ObjectName) -> Result<Vec<u8>, PublishError> {
        let bytes = match &self.kv {
            Some(kv) => kv.get(&name.kv_key(), MAX_OBJECT_BYTES).await?,
            None => None,
        };
        let bytes = bytes.ok_or(PublishError::ObjectGone { name: *name })?;
        let got = ObjectName::of(&bytes);
        if got == *name { Ok(bytes) } else { Err(DecodeError::Name { expected: *name, got }.into()) }
    }
}

#[cfg(test)]
mod tests;
