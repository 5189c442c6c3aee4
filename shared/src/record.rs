//! What a snapshot says of one secret: whose it is, until when it holds, and whether it is flagged.
//!
//! A record carries no policy: leaves and `recent` share policies between records.

use crate::id::{KeyId, MemberId};

/// The second from which a secret is no longer accepted. It holds while `now < deadline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deadline(u32);

impl Deadline {
    /// No deadline.
    pub const NEVER: Self = Self(u32::MAX);

    /// The deadline at `seconds` since the Unix epoch; [`u32::MAX`] (in the year 2106) is never.
    pub const fn at_seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch, or `None` for never.
    pub const fn seconds(self) -> Option<u32> {
        if self.0 == u32::MAX { None } else { Some(self.0) }
    }

    /// The form it has on the wire.
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Whether the deadline still holds at `now_ms`, milliseconds since the Unix epoch.
    pub const fn holds_at(self, now_ms: u64) -> bool {
        self.0 == u32::MAX || now_ms < self.0 as u64 * 1000
    }
}

/// Which of a key's secrets a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The newest secret.
    Current,
    /// The older secret while a rotation runs.
    Retiring,
}

/// One secret that is not final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The key it belongs to.
    pub key: KeyId,
    /// The member that the key belongs to.
    pub member: MemberId,
    /// Until when it is accepted.
    pub deadline: Deadline,
    /// Current or retiring.
    pub slot: Slot,
    /// The key is disabled.
    pub disabled: bool,
    /// The retiring secret is paused: refused, reversibly.
    pub paused: bool,
    /// The workspace is suspended.
    pub suspended: bool,
}

const SLOT: u8 = 1;
const DISABLED: u8 = 2;
const PAUSED: u8 = 4;
const SUSPENDED: u8 = 8;

impl Record {
    /// Whether the record lets its secret pass at `now_ms`.
    pub const fn allows_at(&self, now_ms: u64) -> bool {
        !self.disabled && !self.paused && !self.suspended && self.deadline.holds_at(now_ms)
    }

    /// Slot and flags as one byte of the wire.
    pub(crate) fn flags(&self) -> u8 {
        let set = |on: bool, bit: u8| if on { bit } else { 0 };
        set(self.slot == Slot::Retiring, SLOT)
            | set(self.disabled, DISABLED)
            | set(self.paused, PAUSED)
            | set(self.suspended, SUSPENDED)
    }

    /// The record with `flags` from the wire, or `None` where a bit is set that has no meaning.
    pub(crate) fn from_parts(key: u64, member: u64, deadline: u32, flags: u8) -> Option<Self> {
        if flags & !(SLOT | DISABLED | PAUSED | SUSPENDED) != 0 {
            return None;
        }
        Some(Self {
            key: KeyId::from_u64(key),
            member: MemberId::from_u64(member),
            deadline: Deadline(deadline),
            slot: if flags & SLOT == 0 { Slot::Current } else { Slot::Retiring },
            disabled: flags & DISABLED != 0,
            paused: flags & PAUSED != 0,
            suspended: flags & SUSPENDED != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_holds_until_its_second_and_not_in_it() {
        let deadline = Deadline::at_seconds(1_000);
        assert!(deadline.holds_at(999_999));
        assert!(!deadline.holds_at(1_000_000));
        assert!(Deadline::NEVER.holds_at(u64::MAX));
    }

    #[test]
    fn flags_come_back_and_unknown_ones_are_refused() {
        for flags in 0..=15 {
            let record = Record::from_parts(1, 2, 3, flags).map(|record| record.flags());
            assert_eq!(record, Some(flags));
        }
        assert!(Record::from_parts(1, 2, 3, 16).is_none());
    }
}
