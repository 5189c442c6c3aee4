//! Benchmarks on the real parts: each gives rows, a table and a file of them.

mod latency;
mod report;

use anyhow::{Result, bail};

pub use report::{Report, Row};

/// Runs one benchmark by its name, or all of them.
pub fn run(name: Option<&str>) -> Result<()> {
    match name {
        None | Some("latency") => latency::measure()?.publish(),
        Some(other) => bail!("there is no benchmark `{other}`. What to do: choose latency"),
    }
}
