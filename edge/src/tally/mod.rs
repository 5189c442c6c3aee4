//! What the isolate counts and what it has applied, until it is reported.
//!
//! Pure: told the time and what happened. A report that cannot be sent is counted on behind; everything
//! here is bounded, and to count takes no memory.

mod hitters;
mod samples;
mod usage;

use keyward_shared::decision::{Decision, Judged};
use keyward_shared::fingerprint::PepperId;
use keyward_shared::report::{Applied, Body, Counter, Lanes, MAX_APPLIED, RefusalKind, ReportError, State};
use keyward_shared::snapshot::HeadOrder;

use hitters::Hitters;
use samples::Samples;
use usage::UsageTable;

/// Between two reports, while there is something to say.
const INTERVAL_MS: u64 = 10_000;
/// The same where somebody waits to hear of it, or decides by it.
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
    usage: UsageTable,
    hitters: Hitters,
    samples: Samples,
    applied: Vec<Applied>,
    /// The head that was applied last: epoch and generation.
    newest: Option<(u64, u64)>,
    has_news: bool,
    /// The news should not wait for the usual pause to end.
    is_urgent: bool,
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
            is_urgent: false,
            is_unsent: false,
            started_at: None,
            last_at: None,
            next_at: 0,
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
                let counter = Counter::Refused(kind);
                self.note(counter);
                let count = match judged.fingerprint {
                    Some(fingerprint) => self.hitters.count(fingerprint, kind, ordinal, now),
                    None => self.counters[counter.index()],
                };
                self.samples.offer(count, kind, judged.fingerprint, ordinal, now);
                Some(refusal)
            }
            Decision::Need(_) => return,
        };
        if let (Some(fingerprint), Some(slot)) = (judged.fingerprint, judged.slot) {
            self.is_urgent |= self.usage.count(&fingerprint, slot, refusal, now);
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
        self.is_urgent |= is_wanted && !self.applied.is_empty();
    }

    /// Whether a report should be sent. An isolate that never had a head has nothing to say, and may be of
    /// another deployment.
    pub(crate) const fn is_due(&self, now: u64) -> bool {
        self.newest.is_some() && (self.has_news || self.is_unsent) && now >= self.due_at() && !self.is_running(now)
    }

    /// From when on. Where reports do not arrive, nothing is urgent.
    const fn due_at(&self) -> u64 {
        match self.last_at {
            Some(last) if self.is_urgent && self.failures == 0 => last.saturating_add(URGENT_MS),
            _ => self.next_at,
        }
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
        self.is_urgent = false;
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
mod tests;
