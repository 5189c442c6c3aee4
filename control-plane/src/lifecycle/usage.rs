//! What reports tell of usage, as every answer with a key needs it.

use std::sync::{Arc, Mutex, PoisonError};
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
    read: Arc<Mutex<Option<Read>>>,
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
        Self { quiet_ms: i64::try_from(quiet.as_millis()).unwrap_or(i64::MAX), read: Arc::default() }
    }

    /// Reads anew the next time.
    pub(super) fn forget(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Lifecycle {
    /// What was reported of usage up to `now`.
    pub async fn reported(&self, now: UnixMillis) -> Result<Reported, Refusal> {
        let quiet_ms = self.usage.quiet_ms;
        let read = *self.usage.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Read { at, bounds }) = read
            && (0..KEPT_MS).contains(&(now.as_millis() - at.as_millis()))
        {
            return Ok(Reported { bounds, quiet_ms });
        }
        let bounds = self.store.usage_bounds(now).await?;
        *self.usage.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Read { at: now, bounds });
        Ok(Reported { bounds, quiet_ms })
    }
}
