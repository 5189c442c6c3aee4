//! A key as answers show it, with everything resolved that the key itself only points to.

use crate::domain::api::{Catalogue, Coverage};
use crate::domain::key::{Key, KeyStatus, Rotation};
use crate::domain::member::MemberSummary;
use crate::domain::time::UnixMillis;
use crate::domain::usage::Reported;
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
    pub rotation: Option<RotationView>,
    /// When a rotation is due.
    pub rotation_due_at: Option<UnixMillis>,
    /// Up to when it is known what was used.
    pub usage_known_until: Option<UnixMillis>,
    /// Since when calls with it are refused that were allowed otherwise, where there were any.
    pub denied_since: Option<UnixMillis>,
}

/// A rotation at a given time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationView {
    /// The rotation.
    pub rotation: Rotation,
    /// When the old secret was last allowed.
    pub previous_last_used_at: Option<UnixMillis>,
    /// Whether nobody misses the old secret any more; none where it cannot be known.
    pub safe_to_finish: Option<bool>,
}

impl KeyView {
    pub(super) fn new(stored: StoredKey, catalogue: &Catalogue, reported: Reported, now: UnixMillis) -> Self {
        let StoredKey { key, member, usage } = stored;
        let status = key.status(now);
        let rotation = key.rotation(now).map(|rotation| {
            let retiring = usage.of(&rotation.retiring.fingerprint);
            RotationView {
                previous_last_used_at: retiring.last_used_at,
                safe_to_finish: reported.safe_to_finish(rotation, retiring, now),
                rotation: rotation.clone(),
            }
        });
        Self {
            apis: catalogue.names(&key.apis),
            coverage: catalogue.coverage(&key.apis),
            status,
            rotation,
            rotation_due_at: key.rotation_due_at(),
            usage_known_until: reported.known_until(now),
            denied_since: usage.denied_since(&key, now),
            key,
            member,
        }
    }
}
