//! What `recent` takes within a head, and the room in it that is kept for what narrows.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyward_shared::snapshot::{Head, MAX_RECENT_BYTES, MAX_RECENT_ENTRIES};

use super::Entry;

/// Entries that only narrowing changes of single keys may use, so that no revocation waits behind bulk
/// work, be it one large change or a flood of small ones.
const RESERVED_FOR_SINGLE: usize = 64;
/// Bytes that are kept for them: each with a policy of usual size.
const RESERVED_BYTES: usize = RESERVED_FOR_SINGLE * 96;
/// What the entries take within a head, kept up as they come and go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Weight {
    entries: usize,
    yielding: usize,
    pub(super) bytes: usize,
    /// How many entries share each policy.
    policies: BTreeMap<Arc<[u8]>, usize>,
}

impl Weight {
    pub(super) fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        self.yielding += usize::from(entry.yields);
        self.bytes += Head::recent_entry_bytes(entry.state.is_some());
        if let Some(encoded) = &entry.encoded {
            let shared = self.policies.entry(Arc::clone(encoded)).or_default();
            if *shared == 0 {
                self.bytes += Head::recent_policy_bytes(encoded.len());
            }
            *shared += 1;
        }
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        self.entries -= 1;
        self.yielding -= usize::from(entry.yields);
        self.bytes -= Head::recent_entry_bytes(entry.state.is_some());
        if let Some(encoded) = &entry.encoded
            && let Some(shared) = self.policies.get_mut(encoded)
        {
            *shared -= 1;
            if *shared == 0 {
                self.policies.remove(encoded);
                self.bytes -= Head::recent_policy_bytes(encoded.len());
            }
        }
    }

    /// Whether it fits a head, and, where what came last `yields`, leaves the room that is kept. What does
    /// not yield takes of that room whatever others have: after a restart, more may yield than before.
    pub(super) const fn fits(&self, yields: bool) -> bool {
        let kept = if yields { RESERVED_BYTES } else { 0 };
        self.entries <= MAX_RECENT_ENTRIES
            && (!yields || self.yielding <= MAX_RECENT_ENTRIES - RESERVED_FOR_SINGLE)
            && self.bytes + Head::RECENT_FIXED_BYTES + kept <= MAX_RECENT_BYTES
    }
}
