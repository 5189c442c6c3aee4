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
/// Longest pause between attempts that fail.
const MAX_BACKOFF_MS: u64 = 30_000;
/// The same while there is no head at all: nothing can be judged, so that soon matters more than seldom.
const COLD_PAUSE_MS: u64 = 3_000;

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
    next_attempt_at: u64,
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
            next_attempt_at: 0,
            failed_at: None,
            behind_at: None,
            failures: 0,
        }
    }

    /// Whether a refresh should be started.
    pub(crate) const fn is_due(&self, now: u64) -> bool {
        now >= self.next_attempt_at && !self.is_running(now)
    }

    /// Whether one was started and may still come back.
    pub(crate) const fn is_running(&self, now: u64) -> bool {
        matches!(self.started_at, Some(started) if now < started.saturating_add(ATTEMPT_MS))
    }

    /// Notes that a refresh was started.
    pub(crate) const fn start(&mut self, now: u64) {
        self.started_at = Some(now);
    }

    /// Has the next attempt made soon, for an isolate without a head; `jitter` as in [`Self::finish`].
    pub(crate) fn retry_soon(&mut self, now: u64, jitter: u64) {
        self.next_attempt_at = self.next_attempt_at.min(now.saturating_add(COLD_PAUSE_MS + jitter));
    }

    /// Notes what a refresh came to. `jitter` in `0..1000` spreads the attempts of many isolates
    /// after a failure: the pause doubles from one second to thirty, half of it by chance.
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
                self.next_attempt_at = asked_at.saturating_add(self.interval_ms);
            }
            Outcome::Behind => {
                // It answers, so it is asked at its pace; waiting for it would not help.
                self.behind_at = Some(now);
                self.next_attempt_at = now.saturating_add(self.interval_ms);
            }
            Outcome::Failed => {
                self.failed_at = Some(now);
                let backoff = (1000_u64 << self.failures.min(5)).min(MAX_BACKOFF_MS);
                self.failures = self.failures.saturating_add(1);
                let pause = (backoff / 2 + backoff * jitter.min(999) / 2000).max(1000);
                self.next_attempt_at = now.saturating_add(pause);
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
        self.failed_at.is_none_or(|at| now >= at.saturating_add(NO_WAIT_MS))
    }

    /// Whether a request may wait for a refresh: not for half a minute after one has failed, or has
    /// brought an older head.
    pub(crate) fn may_wait(&self, now: u64) -> bool {
        self.answers(now) && self.behind_at.is_none_or(|at| now >= at.saturating_add(NO_WAIT_MS))
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
            assert!((1_000..=3_500).contains(&(lane.next_attempt_at - NOW)));
        }
    }

    #[test]
    fn after_a_failure_nobody_waits_and_attempts_spread_out() {
        let mut lane = confirmed(1_000);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            lane.finish(Outcome::Failed, NOW, 999);
            pauses.push(lane.next_attempt_at - NOW);
        }
        assert!(pauses.is_sorted() && pauses.first() == Some(&1_000), "{pauses:?}");
        assert!(pauses.iter().all(|pause| (1_000..=30_000).contains(pause)), "{pauses:?}");
        assert!(!lane.may_wait(NOW + 29_999));
        assert!(lane.may_wait(NOW + 30_000));
        lane.finish(Outcome::Confirmed, NOW, 0);
        assert!(lane.may_wait(NOW + 1) && lane.confirmed_at() == Some(NOW));
    }
}
