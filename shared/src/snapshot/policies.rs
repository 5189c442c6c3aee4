//! A table of policies that records refer to by index, each stored once.
//!
//! ```text
//! count 4 · { length 2 · policy } …
//! ```

use std::collections::BTreeMap;

use super::error::{DecodeError, EncodeError};
use crate::policy::{Policy, PolicyRef};
use crate::wire::{Reader, Write as _};

/// Policy indices share four bytes with a record's flags.
const MAX_POLICIES: usize = 1 << 24;
/// The smallest policy, with its length in front.
const MIN_ENTRY_BYTES: usize = 24;

/// Collects policies while records are added.
#[derive(Default)]
pub(super) struct PolicyTable {
    index: BTreeMap<Vec<u8>, u32>,
    entries: Vec<u8>,
}

impl PolicyTable {
    /// The index of `policy`, which is added where the table lacks it.
    pub(super) fn index_of(&mut self, policy: &Policy) -> Result<u32, EncodeError> {
        let encoded = policy.encode()?;
        if let Some(&index) = self.index.get(&encoded) {
            return Ok(index);
        }
        let count = self.index.len();
        let index = u32::try_from(count).ok().filter(|_| count < MAX_POLICIES).ok_or(EncodeError::TooLarge {
            what: "policies",
            got: count + 1,
            max: MAX_POLICIES,
        })?;
        self.entries.put_long(&encoded);
        self.index.insert(encoded, index);
        Ok(index)
    }

    /// Bytes the table takes on the wire.
    pub(super) const fn encoded_len(&self) -> usize {
        4 + self.entries.len()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.put(&u32::try_from(self.index.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.put(&self.entries);
    }
}

/// Reads a table, every policy of which must be readable, and hands each to `take` with the position of
/// its length, at which [`at`] finds it again. Gives what `take` made of them, in their order.
pub(super) fn read<'a, T>(
    reader: &mut Reader<'a>,
    take: impl Fn(usize, PolicyRef<'a>) -> T,
) -> Result<Vec<T>, DecodeError> {
    let count = reader.u32()? as usize;
    // No count is believed beyond the bytes that are there.
    if count > reader.rest().len() / MIN_ENTRY_BYTES {
        return Err(DecodeError::Meaningless { what: "policy count" });
    }
    let mut policies = Vec::with_capacity(count);
    for index in 0..count {
        let at = reader.position();
        let policy = PolicyRef::read(reader.long()?).map_err(|source| DecodeError::Policy { index, source })?;
        policies.push(take(at, policy));
    }
    Ok(policies)
}

/// The policy at a position that [`read`] has told of the same bytes.
pub(super) fn at(bytes: &[u8], at: usize) -> Option<PolicyRef<'_>> {
    PolicyRef::of_checked(Reader::new(bytes.get(at..)?).long().ok()?)
}
