//! What reports tell of usage, as every answer with a key needs it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Lifecycle, Refusal};
use crate::domain::time::UnixMillis;
use crate::domain::usage::{Reported, UsageBounds};

/// How long what was read is taken for what is there, in milliseconds, while no report comes.
const KEPT_MS: i64 = 1_000;

/// The quiet time unless somebody says otherwise: seven days.
pub const QUIET: Duration = Duration::from_hours(7 * 24);

/// What was last read, and when.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    quiet_ms: i64,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    last: Option<Read>,
    /// How often what was read was forgotten.
    forgotten: u64,
}

#[derive(Debug, Clone, Copy)]
struct Read {
    at: UnixMillis,
    bounds: Option<UsageBounds>,
}

impl Default for Usage {
    fn default() -> Self {
        Self::quiet_for(QUIET)
    }
}

impl Usage {
    pub(super) fn quiet_for(quiet: Duration) -> Self {
        Self { quiet_ms: i64::try_from(quiet.as_millis()).unwrap_or(i64::MAX), kept: Arc::default() }
    }

    /// What these bounds say, with the quiet time of this deployment.
    pub(super) const fn told(&self, bounds: Option<UsageBounds>) -> Reported {
        Reported { bounds, quiet_ms: self.quiet_ms }
    }

    /// Reads anew the next time, and keeps nothing that is being read now.
    pub(super) fn forget(&self) {
        let mut read = self.lock();
        read.forgotten = read.forgotten.wrapping_add(1);
        read.last = None;
    }

    /// What was read lately; else how often it was forgotten until now.
    fn kept(&self, now: UnixMillis) -> Result<Option<UsageBounds>, u64> {
        let kept = self.lock();
        match kept.last {
            Some(Read { at, bounds }) if (0..KEPT_MS).contains(&(now.as_millis() - at.as_millis())) => Ok(bounds),
            _ => Err(kept.forgotten),
        }
    }

    /// Keeps what was read, unless it was forgotten since: then a report came, and this may be from before it.
    fn keep(&self, read: Read, forgotten: u64) {
        let mut kept = self.lock();
        if kept.forgotten == forgotten {
            kept.last = Some(read);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lifecycle {
    /// What was reported of usage up to `now`.
    pub async fn reported(&self, now: UnixMillis) -> Result<Reported, Refusal> {
        let forgotten = match self.usage.kept(now) {
            Ok(bounds) => return Ok(self.usage.told(bounds)),
            Err(forgotten) => forgotten,
        };
        let bounds = self.store.usage_bounds(now).await?;
        self.usage.keep(Read { at: now, bounds }, forgotten);
        Ok(self.usage.told(bounds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::from_millis(1_000);

    #[test]
    fn what_was_read_is_kept_for_a_second() {
        let usage = Usage::default();
        let read = Read { at: NOW, bounds: None };
        usage.keep(read, usage.kept(NOW).expect_err("nothing is kept"));
        assert_eq!(usage.kept(UnixMillis::from_millis(1_999)), Ok(None));
        for later in [999, 2_000] {
            assert_eq!(usage.kept(UnixMillis::from_millis(later)), Err(0));
        }
    }

    #[test]
    fn what_was_read_before_a_report_is_not_kept_after_it() {
        let usage = Usage::default();
        let forgotten = usage.kept(NOW).expect_err("nothing is kept");
        usage.forget();
        usage.keep(Read { at: NOW, bounds: None }, forgotten);
        assert_eq!(usage.kept(NOW), Err(1));
    }
}
