//! The lanes that heads are read from, as far as time goes: which to ask when, and how long a verdict
//! may rest on what they said.
//!
//! Pure: told the time and what happened. Knows no head, and neither KV nor http.

use super::freshness::{Freshness, is_within};

/// A lane that heads are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Kv,
    Http,
}

/// The lanes of an isolate: at least one.
#[derive(Debug, Clone)]
pub(crate) struct Lanes {
    kv: Option<Freshness>,
    http: Option<Freshness>,
    doubted_at: Option<u64>,
}

impl Lanes {
    /// Lanes that are asked so often, in milliseconds; none where it is not read.
    pub(crate) fn new(kv_refresh_ms: Option<u64>, http_refresh_ms: Option<u64>) -> Self {
        Self { kv: kv_refresh_ms.map(Freshness::new), http: http_refresh_ms.map(Freshness::new), doubted_at: None }
    }

    /// The lanes whose refresh should be started, marked as started.
    pub(crate) fn start_due(&mut self, now: u64) -> Vec<Lane> {
        let http = self.http.iter_mut().map(|lane| (Lane::Http, lane));
        http.chain(self.kv.iter_mut().map(|lane| (Lane::Kv, lane)))
            .filter(|(_, lane)| lane.is_due(now))
            .map(|(lane, freshness)| {
                freshness.start(now);
                lane
            })
            .collect()
    }

    /// The lanes to ask because somebody waits: those that are due, and the one whose pace counts
    /// even if its interval has not passed.
    pub(crate) fn start_wanted(&mut self, now: u64) -> Vec<Lane> {
        let mut lanes = self.start_due(now);
        if let Some(lane) = self.pace(now)
            && let Some(freshness) = self.freshness_mut(lane)
            && !freshness.is_running(now)
        {
            freshness.start(now);
            lanes.push(lane);
        }
        lanes
    }

    /// The lane whose interval and window count: http while it answers, else KV.
    fn pace(&self, now: u64) -> Option<Lane> {
        let answers = |freshness: &Option<Freshness>| freshness.as_ref().is_some_and(|lane| lane.answers(now));
        if answers(&self.http) || self.kv.is_none() { self.http.as_ref().map(|_| Lane::Http) } else { Some(Lane::Kv) }
    }

    const fn freshness(&self, lane: Lane) -> Option<&Freshness> {
        match lane {
            Lane::Kv => self.kv.as_ref(),
            Lane::Http => self.http.as_ref(),
        }
    }

    /// The times of a lane that is read.
    pub(crate) const fn freshness_mut(&mut self, lane: Lane) -> Option<&mut Freshness> {
        match lane {
            Lane::Kv => self.kv.as_mut(),
            Lane::Http => self.http.as_mut(),
        }
    }

    /// Whether a lane should be asked.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.http.iter().chain(&self.kv).any(|lane| lane.is_due(now))
    }

    /// When the lane that counts last confirmed the head. The other one does not confirm for it: what
    /// KV gives may have lain in a cache while the http lane would have had news.
    pub(crate) fn confirmed_at(&self, now: u64) -> Option<u64> {
        self.counting(now).and_then(Freshness::confirmed_at)
    }

    /// Whether the lane that counts may still come back with news.
    pub(crate) fn is_asking(&self, now: u64) -> bool {
        self.counting(now).is_some_and(|lane| lane.is_running(now))
    }

    fn counting(&self, now: u64) -> Option<&Freshness> {
        self.pace(now).and_then(|lane| self.freshness(lane))
    }

    /// Whether the head was confirmed within the window of the lane that counts.
    pub(crate) fn is_confirmed(&self, now: u64) -> bool {
        self.counting(now)
            .is_some_and(|lane| lane.confirmed_at().is_some_and(|at| is_within(now, at, lane.window_ms() + 1)))
    }

    /// Whether waiting can help: the lane that counts has not failed lately.
    pub(crate) fn may_wait(&self, now: u64) -> bool {
        self.counting(now).is_some_and(|lane| lane.may_wait(now))
    }

    /// Whether the head is older than one interval of the lane that counts, once per interval.
    pub(crate) fn doubts_a_refusal(&self, now: u64) -> bool {
        let Some(lane) = self.counting(now) else {
            return false;
        };
        let old = |at: Option<u64>| !at.is_some_and(|at| is_within(now, at, lane.interval_ms() + 1));
        old(lane.confirmed_at()) && old(self.doubted_at)
    }

    /// Notes that a refusal has its second look, begun now.
    pub(crate) const fn note_doubt(&mut self, now: u64) {
        self.doubted_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::freshness::Outcome;
    use super::*;

    const NOW: u64 = 1_000_000;

    fn both() -> Lanes {
        Lanes::new(Some(31_000), Some(1_000))
    }

    fn finish(lanes: &mut Lanes, lane: Lane, outcome: Outcome, now: u64) {
        lanes.freshness_mut(lane).expect("a lane").finish(outcome, now, 0);
    }

    #[test]
    fn both_are_asked_at_first_and_each_at_its_pace() {
        let mut lanes = both();
        assert_eq!(lanes.start_due(NOW), [Lane::Http, Lane::Kv]);
        assert!(!lanes.is_due(NOW) && lanes.is_asking(NOW));
        finish(&mut lanes, Lane::Http, Outcome::Confirmed, NOW);
        finish(&mut lanes, Lane::Kv, Outcome::Confirmed, NOW);
        assert_eq!(lanes.start_due(NOW + 999), []);
        assert_eq!(lanes.start_due(NOW + 1_000), [Lane::Http]);
    }

    #[test]
    fn kv_does_not_confirm_while_http_answers() {
        let mut lanes = both();
        lanes.start_due(NOW);
        finish(&mut lanes, Lane::Kv, Outcome::Confirmed, NOW);
        assert!(!lanes.is_confirmed(NOW));
        finish(&mut lanes, Lane::Http, Outcome::Failed, NOW);
        assert!(lanes.is_confirmed(NOW) && lanes.is_confirmed(NOW + 29_999), "http has failed, so that KV counts");
        assert!(!lanes.is_confirmed(NOW + 30_000), "http may answer again");
    }

    #[test]
    fn who_waits_has_the_lane_that_counts_asked_before_its_time() {
        let mut lanes = both();
        lanes.start_due(NOW);
        for lane in [Lane::Http, Lane::Kv] {
            finish(&mut lanes, lane, Outcome::Confirmed, NOW);
        }
        assert_eq!(lanes.start_wanted(NOW + 10), [Lane::Http]);
        assert_eq!(lanes.start_wanted(NOW + 10), [], "it is asked already");
    }

    #[test]
    fn a_refusal_is_doubted_once_an_interval() {
        let mut lanes = Lanes::new(None, Some(1_000));
        lanes.start_due(NOW);
        finish(&mut lanes, Lane::Http, Outcome::Confirmed, NOW);
        assert!(!lanes.doubts_a_refusal(NOW + 1_000));
        assert!(lanes.doubts_a_refusal(NOW + 1_001));
        lanes.note_doubt(NOW + 1_001);
        assert!(!lanes.doubts_a_refusal(NOW + 2_001));
        assert!(lanes.doubts_a_refusal(NOW + 2_002));
    }

    #[test]
    fn a_head_that_a_clock_confirmed_before_it_was_set_back_is_not_confirmed() {
        let mut lanes = both();
        lanes.start_due(NOW);
        for lane in [Lane::Http, Lane::Kv] {
            finish(&mut lanes, lane, Outcome::Confirmed, NOW);
        }
        lanes.note_doubt(NOW);
        let back = NOW - 600_000;
        assert!(lanes.is_confirmed(NOW) && lanes.is_confirmed(NOW - 3_500), "a request that waited");
        assert!(!lanes.is_confirmed(back) && lanes.may_wait(back) && lanes.doubts_a_refusal(back));
        assert_eq!(lanes.start_wanted(back), [Lane::Http, Lane::Kv]);
        finish(&mut lanes, Lane::Http, Outcome::Confirmed, back);
        assert!(lanes.is_confirmed(back));
    }
}
