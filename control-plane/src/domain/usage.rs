//! What may be said of how keys are used, given what edges reported and what they may not have told.
//!
//! A call that nobody counted looks like no call. So what rests on a call that was *not* made is said only
//! where every report of the time is there.

use keyward_shared::fingerprint::Fingerprint;

use super::key::Rotation;
use super::time::UnixMillis;

/// The least quiet time, in milliseconds: several times as long as edges wait between two reports.
pub const MIN_QUIET_MS: i64 = 60_000;
/// How long ago the newest reports may be, in milliseconds, for what they tell to hold now.
const FRESH_MS: i64 = 180_000;

/// What all reports together tell of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageBounds {
    /// When the first report came.
    pub first_report_at: UnixMillis,
    /// Until when any edge told what it had counted.
    pub newest_until: UnixMillis,
    /// Until when every edge that is live did; none where no edge is.
    pub oldest_live_until: Option<UnixMillis>,
    /// When calls were lost for the last time that could have been a retiring secret's.
    pub gap_at: Option<UnixMillis>,
    /// When calls were told of without their secrets for the last time.
    pub unnamed_at: Option<UnixMillis>,
}

/// How one secret was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SecretUsage {
    /// When it was last allowed.
    pub last_used_at: Option<UnixMillis>,
    /// When it was last refused.
    pub last_denied_at: Option<UnixMillis>,
    /// The first refusal since its status began to refuse it.
    pub denied_since: Option<UnixMillis>,
}

/// How the live secrets of one key were used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyUsage {
    /// By secret, those that any report told of.
    pub secrets: Vec<(Fingerprint, SecretUsage)>,
    /// Whether the key's workspace is suspended.
    pub suspended: bool,
}

/// What was reported of usage, and how long a secret must rest before nobody is said to miss it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// What all reports together tell; none before the first.
    pub bounds: Option<UsageBounds>,
    /// The quiet time, in milliseconds.
    pub quiet_ms: i64,
}

impl SecretUsage {
    /// The last call with the secret, allowed or refused.
    fn last_call_at(&self) -> Option<UnixMillis> {
        self.last_used_at.max(self.last_denied_at)
    }
}

impl KeyUsage {
    /// How the secret with this fingerprint was used.
    pub fn of(&self, fingerprint: &Fingerprint) -> SecretUsage {
        let found = self.secrets.iter().find(|(secret, _)| secret == fingerprint);
        found.map_or_else(SecretUsage::default, |(_, usage)| *usage)
    }

    /// The first refusal of any of its secrets since its status began to refuse it.
    pub fn denied_since(&self) -> Option<UnixMillis> {
        self.secrets.iter().filter_map(|(_, usage)| usage.denied_since).min()
    }

    /// The same after a change of what it is refused for.
    #[must_use]
    pub fn without_denials(mut self) -> Self {
        self.secrets.iter_mut().for_each(|(_, usage)| usage.denied_since = None);
        self
    }
}

impl UsageBounds {
    /// Up to when it is known what was used.
    pub fn known_until(&self, now: UnixMillis) -> UnixMillis {
        self.oldest_live_until.unwrap_or(self.newest_until).min(now)
    }

    /// Whether no call of a retiring secret, nor one that its status refused, can have been missed between
    /// `from` and `now`, but for what edges count that are gone before they tell it.
    pub fn covers(&self, from: UnixMillis, now: UnixMillis) -> bool {
        let is_fresh = self.oldest_live_until.is_some_and(|until| until.as_millis() >= now.as_millis() - FRESH_MS);
        is_fresh && self.first_report_at <= from && self.gap_at.is_none_or(|gap| gap < from)
    }

    /// The same of any secret's calls.
    pub fn covers_all(&self, from: UnixMillis, now: UnixMillis) -> bool {
        self.covers(from, now) && self.unnamed_at.is_none_or(|unnamed| unnamed < from)
    }
}

impl Reported {
    /// Up to when it is known what was used; none before the first report.
    pub fn known_until(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.bounds.map(|bounds| bounds.known_until(now))
    }

    /// Whether every call between `from` and `now` is known.
    pub fn covers_all(&self, from: UnixMillis, now: UnixMillis) -> bool {
        self.bounds.is_some_and(|bounds| bounds.covers_all(from, now))
    }

    /// Whether the old secret of a rotation has rested for the quiet time, or for as long as its whole grace
    /// where that is shorter; none where it cannot be known. While it is paused a refused call is one, too:
    /// somebody misses it.
    pub fn safe_to_finish(&self, rotation: &Rotation, usage: SecretUsage, now: UnixMillis) -> Option<bool> {
        let started_at = rotation.started_at.as_millis();
        let grace = rotation.previous_valid_until.instant().as_millis() - started_at;
        let quiet_ms = self.quiet_ms.min(grace).max(MIN_QUIET_MS);
        let from = UnixMillis::from_millis((now.as_millis() - quiet_ms).max(started_at));
        if usage.last_call_at().is_some_and(|last| last >= from) {
            return Some(false);
        }
        self.bounds?.covers(from, now).then(|| now.as_millis() - started_at >= quiet_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::Secret;
    use crate::domain::time::UnixSeconds;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;

    fn at(millis: i64) -> UnixMillis {
        UnixMillis::from_millis(millis)
    }

    /// A rotation from the tenth day on with a grace of so many milliseconds.
    fn rotation(grace: i64) -> Rotation {
        let retiring = Secret { fingerprint: Fingerprint::from_bytes([1; 16]), hint: None, created_at: at(0) };
        let previous_valid_until = UnixSeconds::floor(at(10 * DAY + grace)).expect("a time");
        Rotation { retiring, started_at: at(10 * DAY), previous_valid_until, paused: false }
    }

    fn reported(now: i64) -> Reported {
        let bounds = UsageBounds {
            first_report_at: at(0),
            newest_until: at(now),
            oldest_live_until: Some(at(now - 10_000)),
            gap_at: None,
            unnamed_at: None,
        };
        Reported { bounds: Some(bounds), quiet_ms: 7 * DAY }
    }

    fn used(millis: i64) -> SecretUsage {
        SecretUsage { last_used_at: Some(at(millis)), ..SecretUsage::default() }
    }

    #[test]
    fn a_secret_is_safe_to_finish_after_the_quiet_time() {
        let rotation = rotation(30 * DAY);
        let safe = |now: i64, usage| reported(now).safe_to_finish(&rotation, usage, at(now));
        assert_eq!(safe(17 * DAY - 1, SecretUsage::default()), Some(false));
        assert_eq!(safe(17 * DAY, SecretUsage::default()), Some(true));
        assert_eq!(safe(17 * DAY, used(10 * DAY - 1)), Some(true), "before the rotation it was the only one");
        assert_eq!(safe(17 * DAY, used(10 * DAY)), Some(false));
        assert_eq!(safe(20 * DAY, used(13 * DAY)), Some(false));
        assert_eq!(safe(20 * DAY + 1, used(13 * DAY)), Some(true));
        let missed = SecretUsage { last_denied_at: Some(at(16 * DAY)), ..used(9 * DAY) };
        assert_eq!(safe(17 * DAY, missed), Some(false), "somebody misses a paused secret");
    }

    #[test]
    fn a_short_grace_is_its_own_quiet_time_and_never_less_than_a_minute() {
        let safe =
            |grace: i64, now: i64| reported(now).safe_to_finish(&rotation(grace), SecretUsage::default(), at(now));
        assert_eq!(safe(HOUR, 10 * DAY + HOUR - 1), Some(false));
        assert_eq!(safe(HOUR, 10 * DAY + HOUR), Some(true));
        assert_eq!(safe(1_000, 10 * DAY + 59_999), Some(false));
        assert_eq!(safe(1_000, 10 * DAY + 60_000), Some(true));
    }

    #[test]
    fn nothing_is_said_of_calls_that_may_have_been_missed() {
        let now = 17 * DAY;
        let safe = |change: fn(&mut UsageBounds)| {
            let mut reported = reported(now);
            change(reported.bounds.as_mut().expect("bounds"));
            reported.safe_to_finish(&rotation(30 * DAY), SecretUsage::default(), at(now))
        };
        assert_eq!(safe(|_| ()), Some(true));
        assert_eq!(safe(|bounds| bounds.gap_at = Some(at(10 * DAY - 1))), Some(true));
        assert_eq!(safe(|bounds| bounds.gap_at = Some(at(10 * DAY))), None);
        assert_eq!(safe(|bounds| bounds.first_report_at = at(10 * DAY + 1)), None);
        assert_eq!(safe(|bounds| bounds.oldest_live_until = None), None);
        assert_eq!(safe(|bounds| bounds.oldest_live_until = Some(at(17 * DAY - FRESH_MS - 1))), None);
        assert_eq!(safe(|bounds| bounds.unnamed_at = Some(at(16 * DAY))), Some(true), "none of a retiring secret");
        let unknown = Reported { bounds: None, quiet_ms: DAY };
        assert_eq!(unknown.safe_to_finish(&rotation(DAY), SecretUsage::default(), at(now)), None);
        // A call that is known of is one, whatever else is not known.
        assert_eq!(unknown.safe_to_finish(&rotation(DAY), used(now - 1), at(now)), Some(false));
    }

    #[test]
    fn usage_is_known_up_to_what_the_last_live_edge_told() {
        let mut bounds = reported(DAY).bounds.expect("bounds");
        assert_eq!(bounds.known_until(at(DAY)), at(DAY - 10_000));
        bounds.oldest_live_until = None;
        assert_eq!(bounds.known_until(at(DAY)), at(DAY));
        assert_eq!(bounds.known_until(at(HOUR)), at(HOUR), "never later than now");
    }
}
