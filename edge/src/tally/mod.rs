//! What the isolate counts and what it has applied, until it is reported.
//!
//! Pure: told the time and what happened. A report that cannot be sent is counted on behind; everything
//! here is bounded, and to count takes no memory.

mod hitters;
mod samples;
mod usage;

use keyward_shared::decision::{Decision, Judged};
use keyward_shared::fingerprint::PepperId;
use keyward_shared::report::{Applied, Body, Counter, Lanes, MAX_APPLIED, RefusalKind, ReportError, Sample, State};
use keyward_shared::snapshot::HeadOrder;

use crate::freshness::is_within;
use hitters::Hitters;
use samples::Samples;
use usage::UsageTable;

/// Between two reports, while there is something to say.
const INTERVAL_MS: u64 = 10_000;
/// The same where somebody waits to hear of it; and once in each interval, where somebody decides by it.
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

/// Whether what there is to say should wait for the usual pause to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    None,
    /// A call decides something.
    Decisive,
    /// Somebody waits to hear of a head that was applied.
    Wanted,
}

/// What was counted since the last report. Times are milliseconds since the Unix epoch.
#[derive(Debug)]
pub(crate) struct Tally {
    since: u64,
    counters: [u32; Counter::COUNT],
    usage: UsageTable,
    hitters: Hitters,
    samples: Samples,
    applied: Vec<Applied>,
    /// The head that was applied last: epoch and generation.
    newest: Option<(u64, u64)>,
    has_news: bool,
    urgency: Urgency,
    /// When a report was last sent early for such a call.
    hurried_at: Option<u64>,
    /// A report was taken, and nobody has said that it has arrived.
    is_unsent: bool,
    started_at: Option<u64>,
    last_at: Option<u64>,
    /// The pause behind that.
    pause_ms: u64,
    /// The time that somebody waits for to send a report.
    awaited_at: Option<u64>,
    failures: u32,
    /// The bytes of the report that was taken last.
    body: Vec<u8>,
}

impl Tally {
    /// Begins to count.
    pub(crate) fn new(now: u64) -> Self {
        Self {
            since: now,
            counters: [0; Counter::COUNT],
            usage: UsageTable::new(),
            hitters: Hitters::new(),
            samples: Samples::new(),
            applied: Vec::with_capacity(MAX_APPLIED),
            newest: None,
            has_news: false,
            urgency: Urgency::None,
            hurried_at: None,
            is_unsent: false,
            started_at: None,
            last_at: None,
            pause_ms: 0,
            awaited_at: None,
            failures: 0,
            body: Vec::new(),
        }
    }

    /// Counts the verdict that was given to the instance's request `ordinal`.
    pub(crate) fn count(&mut self, judged: &Judged, ordinal: u32, now: u64) {
        let refusal = match judged.decision {
            Decision::Allow(_) | Decision::Pong(_) => {
                self.note(Counter::Allowed);
                None
            }
            Decision::Public => return self.note(Counter::Public),
            Decision::Deny(refusal) => {
                let kind = RefusalKind::of(refusal);
                self.note(Counter::Refused(kind));
                Some((refusal, kind))
            }
            Decision::Need(_) => return,
        };
        let mut refused = None;
        if let (Some(fingerprint), Some(slot)) = (judged.fingerprint, judged.slot) {
            let counted = self.usage.count(&fingerprint, slot, refusal.map(|(refusal, _)| refusal), now);
            refused = counted.map(|counted| counted.refused);
            if counted.is_some_and(|counted| counted.is_decisive) {
                self.urgency = self.urgency.max(Urgency::Decisive);
            }
        }
        if let Some((_, kind)) = refusal {
            let count = match judged.fingerprint {
                Some(fingerprint) => self.hitters.count(fingerprint, kind, ordinal, now),
                None => self.counters[Counter::Refused(kind).index()],
            };
            let sample = Sample { ordinal, refusal: kind, fingerprint: judged.fingerprint, ago: 0 };
            self.samples.offer(refused.unwrap_or(count), judged.slot.is_some(), sample, now);
        }
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
        if is_wanted && !self.applied.is_empty() {
            self.urgency = Urgency::Wanted;
        }
    }

    /// Whether a report should be sent. An isolate that never had a head has nothing to say, and may be of
    /// another deployment.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.due_in(now) == Some(0)
    }

    /// Whether a report should be sent, or be waited for: the request that follows may never come.
    pub(crate) fn is_wanting(&self, now: u64) -> bool {
        self.due_in(now).is_some_and(|pause| pause == 0 || self.is_to_be_awaited(pause, now))
    }

    /// How long to wait until a report should be sent, unless somebody does already.
    pub(crate) fn await_due(&mut self, now: u64) -> Option<u64> {
        let pause = self.due_in(now).filter(|pause| self.is_to_be_awaited(*pause, now))?;
        self.awaited_at = Some(now + pause);
        Some(pause)
    }

    #[inline(never)]
    fn is_to_be_awaited(&self, pause: u64, now: u64) -> bool {
        pause <= INTERVAL_MS && self.awaited_at != Some(now + pause)
    }

    /// In how many milliseconds a report should be sent, if there is anything to say and none is under way.
    #[inline(never)]
    fn due_in(&self, now: u64) -> Option<u64> {
        let has_to_say = self.newest.is_some() && (self.has_news || self.is_unsent);
        let is_running = self.started_at.is_some_and(|started| is_within(now, started, ATTEMPT_MS));
        (has_to_say && !is_running).then(|| match self.last_at {
            Some(last) if is_within(now, last, self.pause_ms) => self.due_at(last).saturating_sub(now),
            _ => 0,
        })
    }

    /// From when on, after one at `last`. Where reports do not arrive, nothing is urgent.
    fn due_at(&self, last: u64) -> u64 {
        let soon = last + URGENT_MS;
        let due_at = last + self.pause_ms;
        match self.urgency {
            Urgency::Wanted if self.failures == 0 => soon,
            Urgency::Decisive if self.failures == 0 => {
                self.hurried_at.map_or(soon, |hurried| soon.max(hurried + INTERVAL_MS)).min(due_at)
            }
            _ => due_at,
        }
    }

    /// Begins to send, unless it is not time. `again` is whether whoever sends still has a report that has
    /// not arrived; else one is taken of all that was counted.
    pub(crate) fn take(&mut self, standing: Standing, again: bool, now: u64) -> Result<Option<&[u8]>, ReportError> {
        if !self.is_due(now) {
            return Ok(None);
        }
        if self.urgency == Urgency::Decisive && self.last_at.is_some_and(|last| is_within(now, last, self.pause_ms)) {
            self.hurried_at = Some(now);
        }
        self.started_at = Some(now);
        self.awaited_at = None;
        self.is_unsent = true;
        self.body.clear();
        if again {
            return Ok(Some(&[]));
        }
        let Standing { lanes, state, peppers, held } = standing;
        let counted = self.counters.iter().enumerate().filter(|(_, count)| **count > 0);
        let (usage, others) = self.usage.take(now);
        let body = Body {
            since: self.since.min(now),
            until: now,
            lanes,
            state,
            software: env!("CARGO_PKG_VERSION").to_owned(),
            peppers,
            held,
            applied: self.applied.drain(..).collect(),
            counters: counted.filter_map(|(index, count)| Some((Counter::at(index)?, *count))).collect(),
            usage,
            others,
            hitters: self.hitters.take(now),
            samples: self.samples.take(now),
        };
        self.since = now;
        self.counters = [0; Counter::COUNT];
        self.has_news = false;
        self.urgency = Urgency::None;
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
        self.pause_ms = if arrived {
            self.is_unsent = false;
            self.failures = 0;
            INTERVAL_MS
        } else {
            let backoff = (INTERVAL_MS << self.failures.min(3)).min(MAX_BACKOFF_MS);
            self.failures = self.failures.saturating_add(1);
            backoff / 2 + backoff * jitter.min(999) / 2000
        };
    }
}

#[cfg(test)]
mod tests;
