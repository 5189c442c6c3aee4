//! What Cloudflare lets a caller of the REST API do, kept to the call: 1,200 calls in five minutes, then
//! none for five; one write a second of one key; how much one call may carry.
//!
//! Pure: told the time. What goes beyond is refused, and remembered for whoever asks.
//!
//! <https://developers.cloudflare.com/fundamentals/api/reference/limits/>,
//! <https://developers.cloudflare.com/kv/platform/limits/>

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Calls of one account in [`CALLS_WITHIN`].
pub const MAX_CALLS: usize = 1_200;
/// The time in which calls are counted, and for which the account is refused after too many.
pub const CALLS_WITHIN: Duration = Duration::from_mins(5);
/// Between two writes of one key.
pub(super) const BETWEEN_WRITES: Duration = Duration::from_secs(1);
/// Pairs of a bulk write, or keys of a bulk delete.
pub(super) const MAX_PAIRS: usize = 10_000;
/// Bytes of one call's body.
pub(super) const MAX_BODY_BYTES: usize = 100_000_000;
/// Bytes of one value.
pub(super) const MAX_VALUE_BYTES: usize = 25 << 20;
/// Bytes of one key.
pub(super) const MAX_KEY_BYTES: usize = 512;
/// Keys of a bulk read.
pub(super) const MAX_KEYS_READ: usize = 100;

/// What somebody did that Cloudflare does not let them do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// More calls than the account may make; all further ones are refused for a while.
    TooManyCalls,
    /// A call in that while.
    CallWhileBlocked,
    /// One key was written again within a second.
    KeyTooOften(String),
    /// More pairs, or keys, than one call may have.
    TooManyPairs(usize),
    /// A body larger than any may be.
    BodyTooLarge(usize),
    /// A value larger than any may be.
    ValueTooLarge {
        /// Its key.
        key: String,
        /// Its bytes.
        bytes: usize,
    },
    /// A key that is empty, too long, or a name of a folder.
    BadKey(String),
}

impl Violation {
    /// How Cloudflare answers it.
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooManyCalls | Self::CallWhileBlocked | Self::KeyTooOften(_) => 429,
            Self::BodyTooLarge(_) | Self::ValueTooLarge { .. } => 413,
            Self::TooManyPairs(_) | Self::BadKey(_) => 400,
        }
    }
}

/// One account's calls, and the writes of its namespace.
#[derive(Debug, Default)]
pub(super) struct Limits {
    calls: VecDeque<Instant>,
    blocked_until: Option<Instant>,
    written: HashMap<String, Instant>,
}

impl Limits {
    /// A call comes.
    pub(super) fn call(&mut self, now: Instant) -> Result<(), Violation> {
        if self.blocked_until.is_some_and(|until| now < until) {
            return Err(Violation::CallWhileBlocked);
        }
        while self.calls.front().is_some_and(|first| now.duration_since(*first) >= CALLS_WITHIN) {
            self.calls.pop_front();
        }
        self.calls.push_back(now);
        if self.calls.len() > MAX_CALLS {
            self.blocked_until = Some(now + CALLS_WITHIN);
            return Err(Violation::TooManyCalls);
        }
        Ok(())
    }

    /// It carries so many pairs or keys, where it may have at most `max`.
    pub(super) const fn pairs(count: usize, max: usize) -> Result<(), Violation> {
        if count > max { Err(Violation::TooManyPairs(count)) } else { Ok(()) }
    }

    /// It names a key.
    pub(super) fn key(key: &str) -> Result<(), Violation> {
        let is_bad = matches!(key, "" | "." | "..") || key.len() > MAX_KEY_BYTES;
        if is_bad { Err(Violation::BadKey(key.to_owned())) } else { Ok(()) }
    }

    /// It writes a value.
    pub(super) fn write(&mut self, key: &str, bytes: usize, now: Instant) -> Result<(), Violation> {
        Self::key(key)?;
        if bytes > MAX_VALUE_BYTES {
            return Err(Violation::ValueTooLarge { key: key.to_owned(), bytes });
        }
        if self.written.get(key).is_some_and(|at| now.duration_since(*at) < BETWEEN_WRITES) {
            return Err(Violation::KeyTooOften(key.to_owned()));
        }
        self.written.insert(key.to_owned(), now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_after_1200_in_five_minutes_blocks_for_five_minutes() {
        let (mut limits, begun) = (Limits::default(), Instant::now());
        let every = Duration::from_millis(249);
        let last = (0..1_200).map(|call| begun + every * call).fold(begun, |_, at| {
            assert_eq!(limits.call(at), Ok(()));
            at
        });
        let too_many = last + every;
        assert_eq!(limits.call(too_many), Err(Violation::TooManyCalls));
        let while_blocked = too_many + Duration::from_millis(299_999);
        assert_eq!(limits.call(while_blocked), Err(Violation::CallWhileBlocked));
        assert_eq!(limits.call(too_many + CALLS_WITHIN), Ok(()), "and then it is over");
    }

    #[test]
    fn at_the_pace_that_is_allowed_nobody_is_ever_blocked() {
        let (mut limits, begun) = (Limits::default(), Instant::now());
        for call in 0..10_000 {
            assert_eq!(limits.call(begun + Duration::from_millis(250) * call), Ok(()));
        }
    }

    #[test]
    fn a_key_is_written_once_a_second_and_others_meanwhile() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        assert_eq!(limits.write("head", 1, now), Ok(()));
        assert_eq!(limits.write("other", 1, now), Ok(()));
        let soon = now + Duration::from_millis(999);
        assert_eq!(limits.write("head", 1, soon), Err(Violation::KeyTooOften("head".to_owned())));
        assert_eq!(limits.write("head", 1, now + BETWEEN_WRITES), Ok(()), "a refused write does not count");
    }

    #[test]
    fn what_one_call_may_carry() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        assert_eq!(limits.write("value", MAX_VALUE_BYTES, now), Ok(()));
        let bytes = MAX_VALUE_BYTES + 1;
        assert_eq!(limits.write("b", bytes, now), Err(Violation::ValueTooLarge { key: "b".to_owned(), bytes }));
        assert_eq!(Limits::pairs(MAX_PAIRS, MAX_PAIRS), Ok(()));
        assert_eq!(Limits::pairs(MAX_PAIRS + 1, MAX_PAIRS), Err(Violation::TooManyPairs(MAX_PAIRS + 1)));
        for key in ["", ".", "..", &"k".repeat(513)] {
            assert_eq!(Limits::key(key), Err(Violation::BadKey(key.to_owned())));
        }
        assert_eq!(Limits::key(&"k".repeat(512)), Ok(()));
    }
}
