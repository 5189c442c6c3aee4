//! Signs how the audit log stands, for whoever wants to hold it to that later: edges and Workers KV, to
//! which it goes with every head, and auditors who ask.
//!
//! Two checkpoints of one log must never contradict each other, so each is made after the one before it
//! was found in the tree. Which one that is, is not left to the database: the notary remembers it, and has
//! it in a file before anybody else has it. Knows no event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use ed25519_dalek::SigningKey;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::last_signed::{LastSigned, LastSignedError, Signed};
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
    /// The log has another name than the one that was signed, and nobody gave it that.
    #[error(
        "the audit log calls itself incarnation {found}, and incarnation {signed} was signed last: its database is \
         not the one that was signed; `keyward raise-epoch` gives it a name of its own"
    )]
    Renamed {
        /// The incarnation that was signed last.
        signed: u32,
        /// That of the database.
        found: u32,
    },
    /// Something was signed, and what was signed last is not known.
    #[error(
        "the database has checkpoints of the audit log, and the data directory does not say what was signed last, \
         which may be more: as after a restore from a backup, run `keyward raise-epoch`, which gives the log a name \
         of its own"
    )]
    Forgotten,
    /// It is not known yet whether the database is an older one of itself.
    #[error(
        "the audit log is not signed unless Workers KV's head was compared with what this database published, and \
         found not to be newer: `last_error` of `GET /v1/snapshot` says what is in the way"
    )]
    NotCompared,
    /// What was signed last cannot be read, or not be kept.
    #[error(transparent)]
    LastSigned(#[from] LastSignedError),
    /// The deployment's name does not fit into a note.
    #[error("the deployment's name does not fit into a checkpoint")]
    Name,
}

/// Who says how the audit log stands, for heads to carry.
#[async_trait]
pub trait Witness: Send + Sync {
    /// The newest checkpoint where it is younger than `least_ms`, else one of the log as it is; none of a log
    /// without an event.
    async fn checkpoint(&self, now: UnixMillis, least_ms: i64) -> Result<Option<StoredCheckpoint>, NotaryError>;

    /// Has it sign nothing until it is let go: what a restored database would have it sign may contradict what
    /// edges hold.
    fn hold(&self);

    /// The database is no older one of itself.
    fn let_go(&self);
}

#[async_trait]
impl Witness for Notary {
    async fn checkpoint(&self, now: UnixMillis, least_ms: i64) -> Result<Option<StoredCheckpoint>, NotaryError> {
        self.sign_where_older(now, least_ms).await
    }

    fn hold(&self) {
        self.is_held.store(true, Ordering::SeqCst);
    }

    fn let_go(&self) {
        self.is_held.store(false, Ordering::SeqCst);
    }
}

/// Who signs the log of one deployment.
pub struct Notary {
    store: Arc<dyn AuditStore>,
    deployment: String,
    key: SigningKey,
    /// Where what was signed last is kept.
    file: Option<LastSigned>,
    /// The database may be an older one of itself.
    is_held: AtomicBool,
    /// One signs at a time.
    memory: Arc<Mutex<Memory>>,
}

/// What this process knows of what was signed.
#[derive(Default)]
struct Memory {
    /// The file was read.
    is_recalled: bool,
    /// The last that anybody may have been given.
    last: Option<Signed>,
    newest: Option<StoredCheckpoint>,
}

impl Notary {
    /// The notary of a deployment, who signs with the key of this seed (RFC 8032, section 5.1.5).
    pub fn new(store: Arc<dyn AuditStore>, deployment: &str, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let is_held = AtomicBool::new(false);
        Self { store, deployment: deployment.to_owned(), key, file: None, is_held, memory: Arc::default() }
    }

    /// Keeps what was signed last in this file, and signs nothing that does not go on from it.
    #[must_use]
    pub fn keeping(self, file: LastSigned) -> Self {
        Self { file: Some(file), ..self }
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
        let mut memory = Arc::clone(&self.memory).lock_owned().await;
        if self.is_held.load(Ordering::SeqCst) {
            return Err(NotaryError::NotCompared);
        }
        if let Some(newest) = memory.newest.as_ref().filter(|newest| is_enough(newest)) {
            return Ok(Some(newest.clone()));
        }
        if !memory.is_recalled {
            memory.last = self.file.as_ref().map(LastSigned::read).transpose()?.flatten();
            memory.is_recalled = true;
        }
        let tree = self.store.tree().await?;
        if let Some(last) = memory.last {
            self.check(last, &tree).await?;
        }
        let before = self.store.newest_checkpoint().await?;
        if self.file.is_some() && memory.last.is_none() && before.is_some() {
            return Err(NotaryError::Forgotten);
        }
        if let Some(before) = &before {
            self.check(identity(before), &tree).await?;
        }
        if tree.edge.size() == 0 {
            return Ok(None);
        }
        let is_of_now = |known: &StoredCheckpoint| identity(known) == state(&tree);
        let before = before.filter(|before| is_of_now(before) && self.has_signed(before));
        let known = memory.newest.clone().filter(is_of_now).or(before);
        let is_known = known.is_some();
        let newest = known.map_or_else(|| self.signed(&tree, now), Ok)?;
        let mut memory = self.remember(memory, &newest).await?;
        if !is_known {
            self.store.keep_checkpoint(&newest).await?;
        }
        memory.newest = Some(newest.clone());
        Ok(Some(newest))
    }

    /// Whether a note from the database is what it was when it was signed: it goes into heads as it is.
    fn has_signed(&self, checkpoint: &StoredCheckpoint) -> bool {
        let text = checkpoint_of(&self.deployment, checkpoint).text();
        let key = self.verifier(checkpoint.incarnation);
        key.is_some_and(|key| note::open(&checkpoint.note, &[key]) == Ok(text.as_str()))
    }

    /// Refuses a tree that what was signed is no beginning of.
    async fn check(&self, before: Signed, tree: &TreeState) -> Result<(), NotaryError> {
        let Signed { incarnation, size, root } = before;
        if incarnation != tree.incarnation {
            return Err(NotaryError::Renamed { signed: incarnation, found: tree.incarnation });
        }
        let is_beginning =
            size <= tree.edge.size() && (size == 0 || fold(&self.store.hashes(&peaks(size)).await?) == Some(root));
        if is_beginning { Ok(()) } else { Err(NotaryError::Contradicted { size }) }
    }

    /// Has it in the file, and only then in memory: whoever is given it is given it after that. The lock goes
    /// along, so that nobody writes an older one over it when whoever asked has gone meanwhile.
    async fn remember(
        &self,
        mut memory: OwnedMutexGuard<Memory>,
        newest: &StoredCheckpoint,
    ) -> Result<OwnedMutexGuard<Memory>, NotaryError> {
        let (last, at) = (identity(newest), newest.at);
        if memory.last == Some(last) {
            return Ok(memory);
        }
        let file = self.file.clone();
        let kept = tokio::task::spawn_blocking(move || {
            if let Some(file) = file {
                file.replace(&last, at)?;
            }
            memory.last = Some(last);
            Ok(memory)
        });
        kept.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    fn signed(&self, tree: &TreeState, at: UnixMillis) -> Result<StoredCheckpoint, NotaryError> {
        let Signed { incarnation, size, root } = state(tree);
        let unsigned = StoredCheckpoint { incarnation, size, root, at, note: String::new() };
        let checkpoint = checkpoint_of(&self.deployment, &unsigned);
        let note = note::sign(&checkpoint.text(), &checkpoint.origin, &self.key).ok_or(NotaryError::Name)?;
        Ok(StoredCheckpoint { note, ..unsigned })
    }
}

/// What is signed of it.
fn checkpoint_of(deployment: &str, checkpoint: &StoredCheckpoint) -> Checkpoint {
    let &StoredCheckpoint { incarnation, size, root, at, .. } = checkpoint;
    Checkpoint { origin: origin(deployment, incarnation), size, root, at }
}

fn identity(checkpoint: &StoredCheckpoint) -> Signed {
    let &StoredCheckpoint { incarnation, size, root, .. } = checkpoint;
    Signed { incarnation, size, root }
}

fn state(tree: &TreeState) -> Signed {
    Signed { incarnation: tree.incarnation, size: tree.edge.size(), root: tree.edge.root() }
}
