//! What may be said of how keys are used, given what edges reported and what they may not have told.
//!
//! A call that nobody counted looks like no call. So what rests on a call that was *not* made is said only
//! where every report of the time is there.

use keyward_shared::fingerprint::Fingerprint;

use super::key::{Key, KeyStatus, Life, Rotation};
use super::time::{UnixMillis, UnixSeconds};

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

    /// The first refusal for what refuses it from `from` on; one before was for something else.
    fn denied_from(&self, from: Option<UnixMillis>) -> Option<UnixMillis> {
        let since = self.denied_since?;
        match from {
            Some(from) if since < from => self.last_denied_at.filter(|last| *last >= from).map(|_| from),
            _ => Some(since),
        }
    }
}

impl KeyUsage {
    /// How the secret with this fingerprint was used.
    pub fn of(&self, fingerprint: &Fingerprint) -> SecretUsage {
        let found = self.secrets.iter().find(|(secret, _)| secret == fingerprint);
        found.map_or_else(SecretUsage::default, |(_, usage)| *usage)
    }

    /// The first refusal of any secret that `key` refuses for its status at `now`, since it does.
    pub fn denied_since(&self, key: &Key, now: UnixMillis) -> Option<UnixMillis> {
        let Life::Live(live) = &key.life else { return None };
        let status = key.status(now);
        let is_refused = self.suspended || status != KeyStatus::Active;
        // It is time that does this, and no change that forgets what was refused before.
        let expired_at = key.expires_at.filter(|_| status == KeyStatus::Expired && !self.suspended);
        let from = expired_at.map(UnixSeconds::instant);
        let retiring = key.rotation(now).filter(|rotation| is_refused || rotation.paused);
        let refused =
            is_refused.then_some(&live.current).into_iter().chain(retiring.map(|rotation| &rotation.retiring));
        refused.filter_map(|secret| self.of(&secret.fingerprint).denied_from(from)).min()
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

    /// Whether the old secret of a rotation has rested for the quiet time, or for half of its grace where that is
    /// no longer than the quiet time; none where it cannot be known. While it is paused a refused call is one, too:
    /// somebody misses it.
    pub fn safe_to_finish(&self, rotation: &Rotation, usage: SecretUsage, now: UnixMillis) -> Option<bool> {
        let started_at = rotation.started_at.as_millis();
        let grace = rotation.previous_valid_until.instant().as_millis() - started_at;
        let quiet_ms = if grace > self.quiet_ms { self.quiet_ms } else { grace / 2 }.max(MIN_QUIET_MS);
        // Up to then everybody told what they know, each by its own clock: where one is behind, so are its calls.
        let told_until = self.bounds.and_then(|bounds| bounds.oldest_live_until).unwrap_or(now).min(now).as_millis();
        let from = UnixMillis::from_millis((told_until - quiet_ms).max(started_at));
        if usage.last_call_at().is_some_and(|last| last >= from) {
            return Some(false);
        }
        self.bounds?.covers(from, now).then(|| told_until - started_at >= quiet_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::Secret;
    use crate::domain::time::UnixSeconds;

    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    /// How long ago the last edge told, in [`reported`].
    const TOLD_AGO: i64 = 10_000;

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
            oldest_live_until: Some(at(now - TOLD_AGO)),
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
        // Up to when everybody told what they know.
        let told = |millis: i64| millis + TOLD_AGO;
        assert_eq!(safe(told(17 * DAY) - 1, SecretUsage::default()), Some(false));
        assert_eq!(safe(told(17 * DAY), SecretUsage::default()), Some(true));
        assert_eq!(safe(told(17 * DAY), used(10 * DAY - 1)), Some(true), "before the rotation it was the only one");
        assert_eq!(safe(told(17 * DAY), used(10 * DAY)), Some(false));
        assert_eq!(safe(told(20 * DAY), used(13 * DAY)), Some(false));
        assert_eq!(safe(told(20 * DAY) + 1, used(13 * DAY)), Some(true));
        let missed = SecretUsage { last_denied_at: Some(at(16 * DAY)), ..used(9 * DAY) };
        assert_eq!(safe(told(17 * DAY), missed), Some(false), "somebody misses a paused secret");
    }

    #[test]
    fn a_grace_that_is_no_longer_than_the_quiet_time_is_quiet_for_half_of_it_and_never_less_than_a_minute() {
        let safe = |grace: i64, after: i64, usage| {
            let now = 10 * DAY + after + TOLD_AGO;
            assert!(after + TOLD_AGO < grace, "the rotation is over");
            reported(now).safe_to_finish(&rotation(grace), usage, at(now))
        };
        for (grace, quiet) in [
            (DAY, DAY / 2),
            (HOUR, HOUR / 2),
            (7 * DAY, 7 * DAY / 2),
            (7 * DAY + HOUR, 7 * DAY),
            (119_000, 60_000),
            (80_000, 60_000),
        ] {
            assert_eq!(safe(grace, quiet - 1, SecretUsage::default()), Some(false), "{grace}");
            assert_eq!(safe(grace, quiet, SecretUsage::default()), Some(true), "{grace}");
        }
        assert_eq!(safe(DAY, 13 * HOUR, used(10 * DAY + HOUR)), Some(false));
        assert_eq!(safe(DAY, 13 * HOUR + 1, used(10 * DAY + HOUR)), Some(true));
    }

    #[test]
    fn an_edge_whose_clock_is_behind_tells_of_its_calls_as_long_as_it_makes_them() {
        // Its clock is two minutes behind, and it is called all the time.
        let (now, behind) = (10 * DAY + HOUR, 120_000);
        let mut reported = reported(now);
        reported.quiet_ms = 60_000;
        reported.bounds.as_mut().expect("bounds").oldest_live_until = Some(at(now - behind));
        let safe = |usage| reported.safe_to_finish(&rotation(DAY), usage, at(now));
        assert_eq!(safe(used(now - behind)), Some(false));
        assert_eq!(safe(used(now - behind - 60_000)), Some(false));
        assert_eq!(safe(used(now - behind - 60_001)), Some(true));
    }

    #[test]
    fn nothing_is_said_of_calls_that_may_have_been_missed() {
        let now = 17 * DAY + TOLD_AGO;
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
        assert_eq!(safe(|bounds| bounds.oldest_live_until = Some(at(17 * DAY + TOLD_AGO - FRESH_MS - 1))), None);
        assert_eq!(safe(|bounds| bounds.unnamed_at = Some(at(16 * DAY))), Some(true), "none of a retiring secret");
        let unknown = Reported { bounds: None, quiet_ms: DAY };
        assert_eq!(unknown.safe_to_finish(&rotation(DAY), SecretUsage::default(), at(now)), None);
        // A call that is known of is one, whatever else is not known.
        assert_eq!(unknown.safe_to_finish(&rotation(DAY), used(now - 1), at(now)), Some(false));
    }

    #[test]
    fn usage_is_known_up_to_what_the_last_live_edge_told() {
        let mut bounds = reported(DAY).bounds.expect("bounds");
        assert_eq!(bounds.known_until(at(DAY)), at(DAY - TOLD_AGO));
        bounds.oldest_live_until = None;
        assert_eq!(bounds.known_until(at(DAY)), at(DAY));
        assert_eq!(bounds.known_until(at(HOUR)), at(HOUR), "never later than now");
    }
}
