//! When a head must be asked for, and how long a verdict may rest on the one that is held.
//!
//! Pure: told the time and what happened. Isolates share nothing, so each keeps its own.

/// How long a started refresh counts as running. What runs under `wait_until` can be cut off without
/// a word, so "refreshing" is a time that goes stale and never a flag.
const ATTEMPT_MS: u64 = 10_000;
/// No verdict rests on a head confirmed longer ago than this.
const MAX_WINDOW_MS: u64 = 60_000;
/// After a failed attempt nobody waits for this long.
const NO_WAIT_MS: u64 = 30_000;
/// Longest pause between attempts that fail: the next one fails, by not being answered within five seconds,
/// before anybody waits again.
const MAX_BACKOFF_MS: u64 = 24_000;
/// The same while there is no head at all: nothing can be judged, so that soon matters more than seldom.
const COLD_PAUSE_MS: u64 = 3_000;
/// How far a time may lie ahead of a request's, which stands still while the request waits for a head and
/// for objects. What lies further ahead was read off a clock that has been set back since.
const AHEAD_MS: u64 = 4_000;

/// Whether `now` is less than `length_ms` behind `at`.
pub(crate) const fn is_within(now: u64, at: u64, length_ms: u64) -> bool {
    now.wrapping_sub(at).wrapping_add(AHEAD_MS) < AHEAD_MS + length_ms
}

/// What a lane's refresh came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The held head is the newest, or a newer one was taken.
    Confirmed,
    /// The lane answered with an older head, as a store that replicates may: asked again in time.
    Behind,
    /// The lane could not be read, or gave something unusable.
    Failed,
}

/// The times of one lane, milliseconds since the Unix epoch.
#[derive(Debug, Clone)]
pub(crate) struct Freshness {
    interval_ms: u64,
    confirmed_at: Option<u64>,
    started_at: Option<u64>,
    /// The next attempt is made that long after that time.
    rests_from: u64,
    rest_ms: u64,
    failed_at: Option<u64>,
    behind_at: Option<u64>,
    failures: u32,
}

impl Freshness {
    /// A lane that is asked every `interval_ms` and never was.
    pub(crate) const fn new(interval_ms: u64) -> Self {
        Self {
            interval_ms,
            confirmed_at: None,
            started_at: None,
            rests_from: 0,
            rest_ms: 0,
            failed_at: None,
            behind_at: None,
            failures: 0,
        }
    }

    /// Whether a refresh should be started.
    pub(crate) const fn is_due(&self, now: u64) -> bool {
        !is_within(now, self.rests_from, self.rest_ms) && !self.is_running(now)
    }

    /// Whether one was started and may still come back.
    pub(crate) const fn is_running(&self, now: u64) -> bool {
        matches!(self.started_at, Some(started) if is_within(now, started, ATTEMPT_MS))
    }

    /// Notes that a refresh was started.
    pub(crate) const fn start(&mut self, now: u64) {
        self.started_at = Some(now);
    }

    /// Has the next attempt made soon, for an isolate without a head; `jitter` as in [`Self::finish`].
    pub(crate) fn retry_soon(&mut self, now: u64, jitter: u64) {
        let soon = COLD_PAUSE_MS + jitter;
        if self.rests_from.saturating_add(self.rest_ms) > now.saturating_add(soon) {
            (self.rests_from, self.rest_ms) = (now, soon);
        }
    }

    /// Notes what a refresh came to. `jitter` in `0..1000` spreads the attempts of many isolates
    /// after a failure: the pause doubles from one second to 24, half of it by chance.
    pub(crate) fn finish(&mut self, outcome: Outcome, now: u64, jitter: u64) {
        let started_at = self.started_at.take();
        match outcome {
            Outcome::Confirmed => {
                // An answer may have been long under way: it tells how things were when it was asked.
                let asked_at = started_at.unwrap_or(now);
                self.confirmed_at = Some(asked_at);
                self.failed_at = None;
                self.behind_at = None;
                self.failures = 0;
                (self.rests_from, self.rest_ms) = (asked_at, self.interval_ms);
            }
            Outcome::Behind => {
                // It answers, so it is asked at its pace; waiting for it would not help.
                self.behind_at = Some(now);
                (self.rests_from, self.rest_ms) = (now, self.interval_ms);
            }
            Outcome::Failed => {
                self.failed_at = Some(now);
                let backoff = (1000_u64 << self.failures.min(5)).min(MAX_BACKOFF_MS);
                self.failures = self.failures.saturating_add(1);
                let pause = (backoff / 2 + backoff * jitter.min(999) / 2000).max(1000);
                (self.rests_from, self.rest_ms) = (now, pause);
            }
        }
    }

    /// How often the lane is asked.
    pub(crate) const fn interval_ms(&self) -> u64 {
        self.interval_ms
    }

    /// How long a confirmation lasts.
    pub(crate) fn window_ms(&self) -> u64 {
        (2 * self.interval_ms).min(MAX_WINDOW_MS)
    }

    /// Whether the lane answers: it has not failed in the last half minute.
    pub(crate) fn answers(&self, now: u64) -> bool {
        !self.failed_at.is_some_and(|at| is_within(now, at, NO_WAIT_MS))
    }

    /// Whether a request may wait for a refresh: not for half a minute after one has failed, or has
    /// brought an older head.
    pub(crate) fn may_wait(&self, now: u64) -> bool {
        self.answers(now) && !self.behind_at.is_some_and(|at| is_within(now, at, NO_WAIT_MS))
    }

    /// When the lane last confirmed the head.
    pub(crate) const fn confirmed_at(&self) -> Option<u64> {
        self.confirmed_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn confirmed(interval_ms: u64) -> Freshness {
        let mut lane = Freshness::new(interval_ms);
        lane.start(NOW);
        lane.finish(Outcome::Confirmed, NOW, 0);
        lane
    }

    /// How long after `NOW` the next attempt is made.
    fn rest(lane: &Freshness) -> u64 {
        (0..=60_000).find(|rest| lane.is_due(NOW + rest)).expect("in time")
    }

    #[test]
    fn a_lane_is_asked_again_after_its_interval() {
        assert!(Freshness::new(1_000).is_due(0), "a cold lane at once");
        let lane = confirmed(1_000);
        assert!(!lane.is_due(NOW + 999));
        assert!(lane.is_due(NOW + 1_000));
    }

    #[test]
    fn a_confirmation_counts_from_when_it_was_asked_for() {
        let mut lane = Freshness::new(1_000);
        lane.start(NOW);
        lane.finish(Outcome::Confirmed, NOW + 4_000, 0);
        assert_eq!(lane.confirmed_at(), Some(NOW));
    }

    #[test]
    fn the_window_is_two_intervals_and_a_minute_at_most() {
        assert_eq!(Freshness::new(1_000).window_ms(), 2_000);
        assert_eq!(Freshness::new(31_000).window_ms(), 60_000);
    }

    #[test]
    fn a_refresh_that_vanished_does_not_block_the_next() {
        let mut lane = confirmed(1_000);
        lane.start(NOW + 1_000);
        assert!(!lane.is_due(NOW + 10_999));
        assert!(lane.is_due(NOW + 11_000));
    }

    #[test]
    fn a_lane_that_is_behind_is_asked_at_its_pace_and_not_waited_for() {
        let mut lane = confirmed(1_000);
        lane.finish(Outcome::Behind, NOW + 1_000, 0);
        assert!(lane.is_due(NOW + 2_000) && !lane.may_wait(NOW + 2_000) && lane.answers(NOW + 2_000));
        assert_eq!(lane.confirmed_at(), Some(NOW));
    }

    #[test]
    fn without_a_head_attempts_stay_frequent() {
        let mut lane = Freshness::new(1000);
        for _ in 0..10 {
            lane.start(NOW);
            lane.finish(Outcome::Failed, NOW, 999);
            lane.retry_soon(NOW, 500);
            assert!((1_000..=3_500).contains(&rest(&lane)));
        }
    }

    #[test]
    fn after_a_failure_nobody_waits_and_attempts_spread_out() {
        let mut lane = confirmed(1_000);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            lane.finish(Outcome::Failed, NOW, 999);
            pauses.push(rest(&lane));
        }
        assert!(pauses.is_sorted() && pauses.first() == Some(&1_000), "{pauses:?}");
        assert!(pauses.iter().all(|pause| (1_000..=24_000).contains(pause)), "{pauses:?}");
        assert!(!lane.may_wait(NOW + 29_999));
        assert!(lane.may_wait(NOW + 30_000));
        lane.finish(Outcome::Confirmed, NOW, 0);
        assert!(lane.may_wait(NOW + 1) && lane.confirmed_at() == Some(NOW));
    }

    #[test]
    fn nobody_waits_for_a_lane_that_swallows_what_it_is_asked() {
        let mut lane = confirmed(1_000);
        let (mut now, mut waits) = (NOW, 0);
        for jitter in [0, 999, 500, 999, 999, 999, 999, 0, 999] {
            now += (0..=60_000).find(|rest| lane.is_due(now + rest)).expect("in time");
            lane.start(now);
            waits += u32::from(lane.may_wait(now) || lane.may_wait(now + 4_999));
            // The longest that it may take.
            now += 5_000;
            lane.finish(Outcome::Failed, now, jitter);
        }
        assert_eq!(waits, 1, "but for the first");
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        for outcome in [Outcome::Confirmed, Outcome::Behind, Outcome::Failed] {
            let mut lane = confirmed(31_000);
            lane.finish(outcome, NOW, 999);
            let back = NOW - 600_000;
            assert!(lane.is_due(back) && lane.may_wait(back), "{outcome:?}");
            lane.start(NOW);
            assert!(!lane.is_running(back) && lane.is_due(back), "it was cut off with the clock");
            lane.start(back);
            lane.finish(Outcome::Confirmed, back, 0);
            assert!(!lane.is_due(back + 30_999) && lane.is_due(back + 31_000));
        }
        let mut cold = Freshness::new(1_000);
        cold.finish(Outcome::Failed, NOW, 0);
        cold.retry_soon(NOW - 600_000, 0);
        assert!(cold.is_due(NOW - 600_000 + COLD_PAUSE_MS));
    }

    #[test]
    fn what_came_while_a_request_waited_is_not_ahead_of_it() {
        let lane = confirmed(1_000);
        let longest = 3_500;
        assert!(is_within(NOW - longest, NOW, 1_000) && !lane.is_due(NOW - longest));
    }
}
