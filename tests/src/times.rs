//! How long the same thing took, a few times, on a machine that is busy with other tests: one answer may
//! be late for that alone, most may not.
//!
//! Must never know what was asked.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// What no answer takes, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it took each time.
#[derive(Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Does it once more, and takes its time.
    ///
    /// # Errors
    ///
    /// The same as what is done.
    pub fn of<T>(&mut self, what: impl FnOnce() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        let done = what()?;
        self.0.push(began.elapsed());
        Ok(done)
    }

    /// Half of the times, at the least, are below `bound`, and all are what a client would wait for.
    ///
    /// # Errors
    ///
    /// All the times, if it is not so, or if there are none.
    pub fn usually_below(mut self, bound: Duration) -> Result<()> {
        self.0.sort_unstable();
        let all = &self.0;
        let middle = all.get(all.len().saturating_sub(1) / 2);
        ensure!(middle.is_some_and(|middle| *middle < bound), "half should be below {bound:?}: {all:?}");
        ensure!(all.last() < Some(&PATIENCE), "none should take {PATIENCE:?}: {all:?}");
        Ok(())
    }
}
