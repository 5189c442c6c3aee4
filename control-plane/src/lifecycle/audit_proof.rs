//! Proofs about the audit log: that an event is in it, and that it only ever grew.
//!
//! Each is made of hashes of the tree alone, about two times its height of them.

use super::list_events::events_seen;
use super::refusal::Missing;
use super::{Lifecycle, Refusal, Rights};
use crate::domain::actor::Actor;
use crate::domain::audit::merkle::{Hash, Leaves, Place, consistency, fold, inclusion, peaks};
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::time::UnixMillis;
use crate::store::{StoreError, StoredCheckpoint};

/// That an event is in the log (RFC 9162, section 2.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The event's number; its leaf is the one before, which are counted from 0.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// The tree that it is proved to be in.
    pub tree: ProvenTree,
}

/// That a log began as a smaller one (RFC 9162, section 2.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Events of the smaller one.
    pub from_size: u64,
    /// Its root.
    pub from_root: Hash,
    /// The tree that it became.
    pub tree: ProvenTree,
}

/// The tree that a proof leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenTree {
    /// Its events.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The hashes that lead there.
    pub proof: Vec<Hash>,
    /// Its checkpoint, where one was signed.
    pub checkpoint: Option<StoredCheckpoint>,
}

/// The tree that a proof is asked for.
struct AskedTree {
    size: u64,
    checkpoint: Option<StoredCheckpoint>,
}

impl Lifecycle {
    /// Proves that an event which whoever asks sees is in the log of this size; where none is said, in that
    /// of the newest checkpoint, which is made where there is none with the event.
    pub async fn prove_event(
        &self,
        actor: &Actor,
        seq: u64,
        size: Option<u64>,
        now: UnixMillis,
    ) -> Result<InclusionProof, Refusal> {
        let rights = self.rights(actor).await?;
        events_seen(&rights, None)?;
        self.sees_event(&rights, seq).await?;
        let asked = self.tree_with(seq, size, now).await?;
        let path = inclusion(seq - 1, asked.size).ok_or_else(too_small)?;
        let own = Leaves { begin: seq - 1, end: seq };
        let (hash, tree) = self.proven(own, path, asked).await?;
        Ok(InclusionProof { seq, hash, tree })
    }

    /// Proves that the log of one size began as that of another; where the larger is not said, it is the
    /// newest checkpoint's, which is made where there is none as large.
    pub async fn prove_growth(
        &self,
        actor: &Actor,
        from_size: u64,
        size: Option<u64>,
        now: UnixMillis,
    ) -> Result<ConsistencyProof, Refusal> {
        events_seen(&self.rights(actor).await?, None)?;
        let out_of_range = || Invalid::new("from_size", Fault::OutOfRange, "1 up to the events of the log");
        if from_size == 0 || from_size > self.store.tree().await?.edge.size() {
            return Err(out_of_range().into());
        }
        let asked = self.tree_with(from_size, size, now).await?;
        let path = consistency(from_size, asked.size).ok_or_else(too_small)?;
        let (from_root, tree) = self.proven(Leaves { begin: 0, end: from_size }, path, asked).await?;
        Ok(ConsistencyProof { from_size, from_root, tree })
    }

    /// Refuses an event that they do not see, or that there never was. One that was pruned has a place in
    /// the tree still, but no workspace.
    async fn sees_event(&self, rights: &Rights, seq: u64) -> Result<(), Refusal> {
        let is_seen = match rights.workspace() {
            Some(workspace) => {
                let event = self.store.event(seq).await?;
                event.is_some_and(|event| event.document["workspace_id"] == workspace.to_string())
            }
            None => (1..=self.store.tree().await?.edge.size()).contains(&seq),
        };
        if is_seen { Ok(()) } else { Err(Refusal::NotFound(Missing::Event)) }
    }

    /// The tree of this size, or else one that was signed with so many events at least, of which there are
    /// as many.
    async fn tree_with(&self, least: u64, size: Option<u64>, now: UnixMillis) -> Result<AskedTree, Refusal> {
        if let Some(size) = size {
            if size > self.store.tree().await?.edge.size() {
                return Err(Invalid::new("size", Fault::OutOfRange, "more than the events of the log").into());
            }
            let covering = self.store.checkpoint_covering(size).await?;
            return Ok(AskedTree { size, checkpoint: covering.filter(|checkpoint| checkpoint.size == size) });
        }
        let mut newest = self.store.newest_checkpoint().await?.filter(|newest| newest.size >= least);
        if newest.is_none()
            && let Some(notary) = &self.notary
        {
            newest = notary.sign(now).await?;
        }
        let newest = newest.ok_or(Refusal::NotFound(Missing::Checkpoint))?;
        Ok(AskedTree { size: newest.size, checkpoint: Some(newest) })
    }

    /// The hash of what is proved, and the hashes of the path from it to the tree's root.
    async fn proven(
        &self,
        what: Leaves,
        path: Vec<Leaves>,
        AskedTree { size, checkpoint }: AskedTree,
    ) -> Result<(Hash, ProvenTree), Refusal> {
        let parts: Vec<Vec<Place>> =
            [what.places(), peaks(size)].into_iter().chain(path.into_iter().map(Leaves::places)).collect();
        let hashes = self.store.hashes(&parts.concat()).await?;
        let mut left = hashes.as_slice();
        let mut folded = parts.iter().map(|places| {
            let (these, others) = left.split_at_checked(places.len())?;
            left = others;
            fold(these)
        });
        let mut next = || folded.next().flatten().ok_or(StoreError::corrupt("audit_node"));
        let (hash, root) = (next()?, next()?);
        let proof = parts[2..].iter().map(|_| next()).collect::<Result<_, _>>()?;
        Ok((hash, ProvenTree { size, root, proof, checkpoint }))
    }
}

fn too_small() -> Refusal {
    Invalid::new("size", Fault::Conflicting, "fewer events than are to be proved").into()
}
