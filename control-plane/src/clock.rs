//! The one place that reads a clock.
//!
//! Everything else is handed the time, so that it can be tested at a chosen one.

use crate::domain::time::UnixMillis;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UnixMillis;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that may read a clock; all else is handed the time"
    )]
    fn now(&self) -> UnixMillis {
        UnixMillis::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}
