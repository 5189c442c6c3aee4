//! How long the same thing took, a few times, on a machine that is busy with other tests: one answer may
//! be late for that alone, no other.
//!
//! Must never know what was asked.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

/// What no answer takes, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it took each time.
#[derive(Clone, Debug, Default)]
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

    /// All of the times but one are below `bound`, and that one is what a client would wait for.
    ///
    /// # Errors
    ///
    /// The times, if it is not so, or if they are fewer than three.
    pub fn all_but_one_below(mut self, bound: Duration) -> Result<()> {
        self.0.sort_unstable();
        let Self(all) = &self;
        let [.., _, before_last, last] = all.as_slice() else { bail!("too few: {all:?}") };
        ensure!(*before_last < bound && *last < PATIENCE, "all but one should be below {bound:?}: {all:?}");
        Ok(())
    }
}
