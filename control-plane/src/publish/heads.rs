//! Making a head: sign it, read it again as an edge would, and place it in the order.

use keyward_shared::snapshot::{Head, HeadOrder, ObjectName, SigningKey, Tree, TrustedKeys};

use super::error::PublishError;
use super::recent::Recent;
use crate::store::publication::RecordedHead;

/// A signed head as the lanes serve it.
#[derive(Debug)]
pub(super) struct SignedBytes {
    pub(super) bytes: Vec<u8>,
    /// Strong, so that a 304 confirms exactly these bytes.
    pub(super) etag: String,
    pub(super) order: HeadOrder,
    pub(super) expires_at: u64,
    pub(super) tree_generation: u64,
    /// The newest head, this one or one before, that was not made for a checkpoint alone.
    pub(super) news: HeadOrder,
}

impl SignedBytes {
    pub(super) fn new(bytes: Vec<u8>, order: HeadOrder, expires_at: u64, tree_generation: u64) -> Self {
        let etag = format!("\"{}\"", ObjectName::of(&bytes));
        Self { bytes, etag, order, expires_at, tree_generation, news: order }
    }
}

/// What a head says beside `recent`.
pub(super) struct HeadParts<'a> {
    pub(super) epoch: u64,
    pub(super) generation: u64,
    pub(super) issued_at: u64,
    pub(super) ttl_ms: u64,
    pub(super) tree_generation: u64,
    pub(super) settings: ObjectName,
    pub(super) tree: Tree,
    pub(super) next: Option<Tree>,
    /// Somebody waits to hear which edges have applied it.
    pub(super) ack_wanted: bool,
    /// How the audit log stood, as a signed note.
    pub(super) checkpoint: &'a str,
    pub(super) recent: &'a Recent,
}

/// Signs heads for one deployment.
pub(super) struct HeadSigner {
    deployment: String,
    key: SigningKey,
    trusted: TrustedKeys,
}

impl HeadSigner {
    pub(super) fn new(deployment: String, key: SigningKey) -> Option<Self> {
        let trusted = TrustedKeys::new(vec![key.public()])?;
        Some(Self { deployment, key, trusted })
    }

    /// Reads a head of our own.
    pub(super) fn read(&self, bytes: &[u8]) -> Result<Head, PublishError> {
        Ok(Head::verify(bytes, &self.deployment, &self.trusted)?)
    }

    /// The checkpoint that a head of our own on record carries.
    pub(super) fn checkpoint_of(&self, recorded: Option<&RecordedHead>) -> Option<String> {
        let head = self.read(&recorded?.bytes).ok()?;
        String::from_utf8(head.checkpoint).ok()
    }

    /// Signs a head and reads it again.
    pub(super) fn sign(&self, parts: HeadParts<'_>) -> Result<SignedBytes, PublishError> {
        let HeadParts {
            epoch,
            generation,
            issued_at,
            ttl_ms,
            tree_generation,
            settings,
            tree,
            next,
            ack_wanted,
            checkpoint,
            recent,
        } = parts;
        let head = Head {
            epoch,
            generation,
            issued_at,
            expires_at: issued_at + ttl_ms,
            tree_generation,
            recent_since: recent.recent_since(),
            narrowed_since: recent.narrowed_since(),
            narrowed_through: recent.newest().map_or(generation, |newest| newest.max(generation)),
            settings,
            ack_wanted,
            checkpoint: checkpoint.as_bytes().to_vec(),
            tree,
            next,
            recent: recent.to_entries(),
        };
        let bytes = head.sign(&self.deployment, &self.key)?.into_bytes();
        if self.read(&bytes)? != head {
            return Err(PublishError::Mismatch { what: "head" });
        }
        Ok(SignedBytes::new(bytes, head.order(), head.expires_at, tree_generation))
    }
}
