//! When to load ahead what the next tree will need.
//!
//! Pure: told the time and what happened. A busy isolate warms run after run; an idle one does not.

/// How long a started run counts as running: what runs under `wait_until` can be cut off without a word.
const RUN_MS: u64 = 10_000;
/// After a run that found nothing more to load, or could not load it, the next one begins this much later.
const PAUSE_MS: u64 = 1_000;

/// The times of warming, milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Warming {
    started_at: Option<u64>,
    next_run_at: u64,
}

impl Warming {
    /// Whether a run should be started, where there is a next tree.
    pub(crate) const fn is_due(self, now: u64) -> bool {
        let is_running = matches!(self.started_at, Some(started) if now < started.saturating_add(RUN_MS));
        now >= self.next_run_at && !is_running
    }

    /// Notes that a run was started.
    pub(crate) const fn start(&mut self, now: u64) {
        self.started_at = Some(now);
    }

    /// Notes that a run has ended, and whether there may be more to load at once.
    pub(crate) const fn finish(&mut self, now: u64, more: bool) {
        self.started_at = None;
        self.next_run_at = if more { now } else { now.saturating_add(PAUSE_MS) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_and_the_next_at_once_while_there_is_more() {
        let mut warming = Warming::default();
        assert!(warming.is_due(5));
        warming.start(5);
        assert!(!warming.is_due(10_004) && warming.is_due(10_005), "it may have been cut off");
        warming.finish(20, true);
        assert!(warming.is_due(20));
        warming.finish(20, false);
        assert!(!warming.is_due(1_019) && warming.is_due(1_020));
    }
}
