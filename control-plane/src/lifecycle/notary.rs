//! Signs how the audit log stands, for whoever wants to hold it to that later: edges and Workers KV, to
//! which it goes with every head, and auditors who ask.
//!
//! Two checkpoints of one log must never contradict each other, so each is made after the one before it
//! was found in the tree. Knows no event.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use tokio::sync::Mutex;

use crate::domain::audit::checkpoint::{Checkpoint, origin};
use crate::domain::audit::merkle::{fold, peaks};
use crate::domain::audit::note::{self, VerifierKey};
use crate::domain::time::UnixMillis;
use crate::store::StoreError;
use crate::store::audit::{AuditStore, StoredCheckpoint, TreeState};

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum NotaryError {
    /// The database does not answer, or answers wrongly.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log is not the one that was signed.
    #[error(
        "the audit log does not go on from its checkpoint of {size} events: events that were signed have been \
         changed or are gone; `keyward audit verify` says which"
    )]
    Contradicted {
        /// Events of the checkpoint.
        size: u64,
    },
    /// The deployment's name does not fit into a note.
    #[error("the deployment's name does not fit into a checkpoint")]
    Name,
}

/// Who signs the log of one deployment.
pub struct Notary {
    store: Arc<dyn AuditStore>,
    deployment: String,
    key: SigningKey,
    /// What was signed last. One at a time.
    newest: Mutex<Option<StoredCheckpoint>>,
}

impl Notary {
    /// The notary of a deployment, who signs with the key of this seed (RFC 8032, section 5.1.5).
    pub fn new(store: Arc<dyn AuditStore>, deployment: &str, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        Self { store, deployment: deployment.to_owned(), key, newest: Mutex::default() }
    }

    /// The deployment's name.
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// By which its notes are verified, in the incarnation of the log that is given.
    pub fn verifier(&self, incarnation: u32) -> Option<VerifierKey> {
        VerifierKey::new(&origin(&self.deployment, incarnation), self.key.verifying_key().as_bytes())
    }

    /// A checkpoint of the log as it is; none of one without an event.
    pub async fn sign(&self, now: UnixMillis) -> Result<Option<StoredCheckpoint>, NotaryError> {
        self.sign_unless(now, |_| false).await
    }

    /// The newest checkpoint where it is younger than `least_ms`, else one of the log as it is.
    pub async fn sign_where_older(
        &self,
        now: UnixMillis,
        least_ms: i64,
    ) -> Result<Option<StoredCheckpoint>, NotaryError> {
        let is_young = |newest: &StoredCheckpoint| (0..least_ms).contains(&(now.as_millis() - newest.at.as_millis()));
        self.sign_unless(now, is_young).await
    }

    async fn sign_unless(
        &self,
        now: UnixMillis,
        is_enough: impl FnOnce(&StoredCheckpoint) -> bool + Send,
    ) -> Result<Option<StoredCheckpoint>, NotaryError> {
        let mut newest = self.newest.lock().await;
        if let Some(newest) = newest.as_ref().filter(|newest| is_enough(newest)) {
            return Ok(Some(newest.clone()));
        }
        let tree = self.store.tree().await?;
        // Another process may have signed, or have raised the incarnation.
        let before = self.store.newest_checkpoint().await?;
        if let Some(before) = &before {
            self.check(before, &tree).await?;
        }
        if before.as_ref().is_some_and(|before| before.size == tree.edge.size()) || tree.edge.size() == 0 {
            newest.clone_from(&before);
            return Ok(before);
        }
        let signed = self.signed(&tree, now)?;
        self.store.keep_checkpoint(&signed).await?;
        *newest = Some(signed.clone());
        Ok(Some(signed))
    }

    /// Refuses a tree that the checkpoint is no beginning of.
    async fn check(&self, before: &StoredCheckpoint, tree: &TreeState) -> Result<(), NotaryError> {
        let contradicted = || NotaryError::Contradicted { size: before.size };
        if before.size > tree.edge.size() {
            return Err(contradicted());
        }
        let hashes = self.store.hashes(&peaks(before.size)).await?;
        if fold(&hashes) == Some(before.root) { Ok(()) } else { Err(contradicted()) }
    }

    fn signed(&self, tree: &TreeState, at: UnixMillis) -> Result<StoredCheckpoint, NotaryError> {
        let (size, root, incarnation) = (tree.edge.size(), tree.edge.root(), tree.incarnation);
        let origin = origin(&self.deployment, incarnation);
        let text = Checkpoint { origin: origin.clone(), size, root, at }.text();
        let note = note::sign(&text, &origin, &self.key).ok_or(NotaryError::Name)?;
        Ok(StoredCheckpoint { incarnation, size, root, at, note })
    }
}
