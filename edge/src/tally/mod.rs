//! What the isolate counts and what it has applied, until it is reported.
//!
//! Pure: told the time and what happened. A report that cannot be sent is counted on behind; everything
//! here is bounded.

use keyward_shared::decision::{Decision, Judged, Refusal};
use keyward_shared::fingerprint::PepperId;
use keyward_shared::report::{Applied, Body, Counter, Lanes, MAX_APPLIED, OtherUsage, RefusalKind, ReportError, State};
use keyward_shared::snapshot::HeadOrder;

/// Between two reports, while there is something to say.
const INTERVAL_MS: u64 = 10_000;
/// The same where somebody waits to hear of it.
const URGENT_MS: u64 = 1_000;
/// How long a report that is being sent counts as under way. What runs under `wait_until` can be cut off
/// without a word.
const ATTEMPT_MS: u64 = 10_000;
/// Longest pause between attempts that fail.
const MAX_BACKOFF_MS: u64 = 60_000;

/// How the isolate stands when it reports.
pub(crate) struct Standing {
    pub(crate) lanes: Lanes,
    pub(crate) state: State,
    pub(crate) peppers: Vec<PepperId>,
    pub(crate) held: Option<HeadOrder>,
}

/// What was counted since the last report. Times are milliseconds since the Unix epoch.
#[derive(Debug)]
pub(crate) struct Tally {
    since: u64,
    counters: [u32; Counter::COUNT],
    applied: Vec<Applied>,
    /// The head that was applied last: epoch and generation.
    newest: Option<(u64, u64)>,
    has_news: bool,
    /// A report was taken, and nobody has said that it has arrived.
    is_unsent: bool,
    started_at: Option<u64>,
    last_at: Option<u64>,
    next_at: u64,
    failures: u32,
    /// The bytes of the report that was taken last.
    body: Vec<u8>,
}

impl Tally {
    /// Begins to count.
    pub(crate) const fn new(now: u64) -> Self {
        Self {
            since: now,
            counters: [0; Counter::COUNT],
            applied: Vec::new(),
            newest: None,
            has_news: false,
            is_unsent: false,
            started_at: None,
            last_at: None,
            next_at: 0,
            failures: 0,
            body: Vec::new(),
        }
    }

    /// Counts a verdict that was given.
    pub(crate) fn count(&mut self, judged: &Judged) {
        match judged.decision {
            Decision::Allow(_) | Decision::Pong(_) => self.note(Counter::Allowed),
            Decision::Public => self.note(Counter::Public),
            Decision::Deny(refusal) => self.refused(refusal),
            Decision::Need(_) => {}
        }
    }

    /// Counts a refusal that no key was looked up for.
    pub(crate) fn refused(&mut self, refusal: Refusal) {
        self.note(Counter::Refused(RefusalKind::of(refusal)));
    }

    /// Counts something.
    pub(crate) fn note(&mut self, counter: Counter) {
        let count = &mut self.counters[counter.index()];
        *count = count.saturating_add(1);
        self.has_news = true;
    }

    /// Notes that requests are judged by this head from now on. Where somebody waits to hear of that, the
    /// next report is not put off.
    pub(crate) fn note_applied(&mut self, order: HeadOrder, is_wanted: bool, now: u64) {
        let HeadOrder { epoch, generation, .. } = order;
        if self.newest != Some((epoch, generation)) {
            self.newest = Some((epoch, generation));
            if self.applied.len() == MAX_APPLIED {
                // That a later one was applied stays told.
                self.applied.remove(0);
            }
            self.applied.push(Applied { epoch, generation, at: now });
            self.has_news = true;
        }
        if is_wanted && self.failures == 0 {
            let soon = self.last_at.map_or(0, |last| last.saturating_add(URGENT_MS));
            self.next_at = self.next_at.min(soon);
        }
    }

    /// Whether a report should be sent. An isolate that never had a head has nothing to say, and may be of
    /// another deployment.
    pub(crate) const fn is_due(&self, now: u64) -> bool {
        self.newest.is_some() && (self.has_news || self.is_unsent) && now >= self.next_at && !self.is_running(now)
    }

    const fn is_running(&self, now: u64) -> bool {
        matches!(self.started_at, Some(started) if now < started.saturating_add(ATTEMPT_MS))
    }

    /// Begins to send, unless it is not time. `again` is whether whoever sends still has a report that has
    /// not arrived; else one is taken of all that was counted.
    pub(crate) fn take(&mut self, standing: Standing, again: bool, now: u64) -> Result<Option<&[u8]>, ReportError> {
        if !self.is_due(now) {
            return Ok(None);
        }
        self.started_at = Some(now);
        self.is_unsent = true;
        self.body.clear();
        if again {
            return Ok(Some(&[]));
        }
        let Standing { lanes, state, peppers, held } = standing;
        let counted = self.counters.iter().enumerate().filter(|(_, count)| **count > 0);
        let body = Body {
            since: self.since.min(now),
            until: now,
            lanes,
            state,
            software: env!("CARGO_PKG_VERSION").to_owned(),
            peppers,
            held,
            applied: core::mem::take(&mut self.applied),
            counters: counted.filter_map(|(index, count)| Some((Counter::at(index)?, *count))).collect(),
            usage: Vec::new(),
            others: OtherUsage::default(),
            hitters: Vec::new(),
            samples: Vec::new(),
        };
        self.since = now;
        self.counters = [0; Counter::COUNT];
        self.has_news = false;
        body.encode(&mut self.body)?;
        Ok(Some(&self.body))
    }

    /// The bytes of the report that was taken last.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Notes what became of the report: it arrived, or it is to be sent again. `jitter` in `0..1000` spreads
    /// the attempts of many isolates.
    pub(crate) fn sent(&mut self, arrived: bool, now: u64, jitter: u64) {
        self.started_at = None;
        self.last_at = Some(now);
        let pause = if arrived {
            self.is_unsent = false;
            self.failures = 0;
            INTERVAL_MS
        } else {
            let backoff = (INTERVAL_MS << self.failures.min(3)).min(MAX_BACKOFF_MS);
            self.failures = self.failures.saturating_add(1);
            backoff / 2 + backoff * jitter.min(999) / 2000
        };
        self.next_at = now.saturating_add(pause);
    }
}

#[cfg(test)]
mod tests {
    use keyward_shared::report::{Envelope, Report};

    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn order(generation: u64) -> HeadOrder {
        HeadOrder { epoch: 1, generation, issued_at: NOW }
    }

    /// A tally whose isolate has had its first head.
    fn tally() -> Tally {
        let mut tally = Tally::new(NOW);
        tally.note_applied(order(1), false, NOW);
        tally
    }

    fn taken(tally: &mut Tally, now: u64) -> Option<Body> {
        let standing = Standing {
            lanes: Lanes { kv: false, http: true },
            state: State::Fresh,
            peppers: Vec::new(),
            held: Some(order(1)),
        };
        let body = tally.take(standing, false, now).expect("within bounds")?.to_vec();
        let envelope =
            Envelope { instance: [0; 10], sequence: 1, lost: false, location: String::new(), addresses: Vec::new() };
        let empty = Body {
            since: 0,
            until: 0,
            lanes: Lanes::default(),
            state: State::None,
            software: String::new(),
            peppers: Vec::new(),
            held: None,
            applied: Vec::new(),
            counters: Vec::new(),
            usage: Vec::new(),
            others: OtherUsage::default(),
            hitters: Vec::new(),
            samples: Vec::new(),
        };
        let mut encoded = Vec::new();
        empty.encode(&mut encoded).expect("within bounds");
        let mut bytes = Report { envelope, body: empty }.encode().expect("within bounds");
        bytes.truncate(bytes.len() - encoded.len());
        bytes.extend(body);
        Some(Report::decode(&bytes).expect("a report").body)
    }

    #[test]
    fn an_isolate_without_a_head_says_nothing() {
        let mut tally = Tally::new(NOW);
        tally.note(Counter::HeadRefused);
        assert!(!tally.is_due(NOW + 3_600_000) && taken(&mut tally, NOW).is_none());
    }

    #[test]
    fn what_was_counted_is_told_once() {
        let mut tally = tally();
        tally.note(Counter::Public);
        tally.note(Counter::Public);
        tally.refused(Refusal::BadPath);
        let first = taken(&mut tally, NOW + 5).expect("news");
        let bad_path = Counter::Refused(RefusalKind::of(Refusal::BadPath));
        assert_eq!(first.counters, [(Counter::Public, 2), (bad_path, 1)]);
        assert_eq!(first.applied, [Applied { epoch: 1, generation: 1, at: NOW }]);
        assert_eq!((first.since, first.until), (NOW, NOW + 5));
        tally.sent(true, NOW + 6, 0);
        assert!(!tally.is_due(NOW + 3_600_000), "nothing is new");
        tally.note(Counter::Public);
        assert!(!tally.is_due(NOW + 10_005) && tally.is_due(NOW + 10_006));
        let second = taken(&mut tally, NOW + 10_006).expect("news");
        assert_eq!((second.counters, second.applied), (vec![(Counter::Public, 1)], Vec::new()));
        assert_eq!(second.since, NOW + 5);
    }

    #[test]
    fn whoever_waits_hears_of_it_at_once_but_not_more_often_than_each_second() {
        let mut tally = tally();
        taken(&mut tally, NOW).expect("news");
        tally.sent(true, NOW, 0);
        tally.note_applied(order(2), true, NOW + 200);
        assert!(!tally.is_due(NOW + 999) && tally.is_due(NOW + 1_000));
        let told = taken(&mut tally, NOW + 1_000).expect("news");
        assert_eq!(told.applied, [Applied { epoch: 1, generation: 2, at: NOW + 200 }]);
    }

    #[test]
    fn the_same_generation_signed_again_is_no_news() {
        let mut tally = tally();
        taken(&mut tally, NOW).expect("news");
        tally.sent(true, NOW, 0);
        tally.note_applied(HeadOrder { issued_at: NOW + 1, ..order(1) }, true, NOW + 1);
        assert!(!tally.is_due(NOW + 3_600_000));
    }

    #[test]
    fn a_report_that_was_cut_off_or_did_not_arrive_is_sent_again_ever_more_seldom() {
        let mut tally = tally();
        taken(&mut tally, NOW).expect("news");
        assert!(!tally.is_due(NOW + 9_999) && tally.is_due(NOW + 10_000), "cut off without a word");
        let mut pauses = Vec::new();
        let mut now = NOW + 10_000;
        for _ in 0..8 {
            let standing = Standing { lanes: Lanes::default(), state: State::Stale, peppers: Vec::new(), held: None };
            assert_eq!(tally.take(standing, true, now), Ok(Some(&[][..])), "the same report again");
            tally.sent(false, now, 999);
            let pause = (0..=MAX_BACKOFF_MS).find(|pause| tally.is_due(now + pause)).expect("sent again");
            pauses.push(pause);
            now += pause;
        }
        assert!(pauses.is_sorted() && pauses.iter().all(|pause| (5_000..=60_000).contains(pause)), "{pauses:?}");
        tally.sent(true, now, 0);
        assert!(!tally.is_due(now + 3_600_000));
    }

    #[test]
    fn what_is_counted_while_nothing_arrives_is_bounded_and_kept() {
        let mut tally = tally();
        for generation in 2..1_000 {
            tally.note_applied(order(generation), false, NOW + generation);
        }
        tally.counters[Counter::Allowed.index()] = u32::MAX;
        tally.note(Counter::Allowed);
        let told = taken(&mut tally, NOW + 5_000).expect("news");
        assert_eq!(told.applied.len(), MAX_APPLIED);
        assert_eq!(told.applied.last().map(|applied| applied.generation), Some(999));
        assert_eq!(told.counters, [(Counter::Allowed, u32::MAX)]);
    }
}
