//! What a live secret's rows say of it as a record: its own, its key's and its workspace's.
//!
//! Read in two ways, a few with one join for `recent` and many at once for the tree, and meant in this one:
//! a head and a leaf must not disagree.

use keyward_shared::id::{KeyId, MemberId};
use keyward_shared::record::{Deadline, Record, Slot};

use crate::store::StoreError;

/// What the secret's own row says; suspended, until its workspace says otherwise.
pub(in crate::store::sqlite) fn of_secret(
    key_id: i64,
    slot: i64,
    deadline_s: Option<i64>,
) -> Result<Record, StoreError> {
    let slot = match slot {
        0 => Slot::Current,
        1 => Slot::Retiring,
        _ => return Err(StoreError::corrupt("secret.slot")),
    };
    let deadline = match deadline_s {
        None => Deadline::NEVER,
        Some(seconds) => {
            Deadline::at_seconds(u32::try_from(seconds).map_err(|_| StoreError::corrupt("secret.deadline_s"))?)
        }
    };
    Ok(Record {
        key: KeyId::from_u64(key_id.cast_unsigned()),
        member: MemberId::from_u64(0),
        deadline,
        slot,
        disabled: false,
        paused: false,
        suspended: true,
    })
}

/// Adds what its key's row says.
pub(in crate::store::sqlite) fn hear_key(record: &mut Record, member_id: i64, status: &str, paused: bool) {
    record.member = MemberId::from_u64(member_id.cast_unsigned());
    record.disabled = status == "disabled";
    record.paused = paused && record.slot == Slot::Retiring;
}

/// Whether a workspace's row has its keys refused.
pub(in crate::store::sqlite) fn is_suspended(workspace_status: &str) -> bool {
    workspace_status == "suspended"
}
