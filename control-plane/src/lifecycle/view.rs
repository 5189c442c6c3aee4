//! A key as answers show it, with everything resolved that the key itself only points to.

use crate::domain::api::{Catalogue, Coverage};
use crate::domain::key::{Key, KeyStatus, Rotation};
use crate::domain::member::MemberSummary;
use crate::domain::time::UnixMillis;
use crate::store::StoredKey;

/// A key at a given time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyView {
    /// The key. Its `version` is what an entity tag is made of.
    pub key: Key,
    /// The member it belongs to.
    pub member: MemberSummary,
    /// The names of the APIs it may call, or `*`.
    pub apis: Vec<String>,
    /// Whether these are all APIs there are.
    pub coverage: Coverage,
    /// The status at that time.
    pub status: KeyStatus,
    /// The rotation that runs at that time.
    pub rotation: Option<Rotation>,
    /// When a rotation is due.
    pub rotation_due_at: Option<UnixMillis>,
}

impl KeyView {
    pub(super) fn new(stored: StoredKey, catalogue: &Catalogue, now: UnixMillis) -> Self {
        let StoredKey { key, member } = stored;
        Self {
            apis: catalogue.names(&key.apis),
            coverage: catalogue.coverage(&key.apis),
            status: key.status(now),
            rotation: key.rotation(now).cloned(),
            rotation_due_at: key.rotation_due_at(),
            key,
            member,
        }
    }
}
