//! Benchmarks on the real parts: each gives rows, a table and a file of them.
//!
//! Ratios are taken side by side in one run, in alternating rounds. A time holds only on the machine
//! it was taken on; what must hold everywhere (counts, bytes) is a test.

mod chart;
mod cold;
mod contest;
mod control_plane;
mod database;
mod decide;
mod edge;
pub mod fixture;
mod gateway;
mod latency;
mod load;
mod memory;
mod origin;
mod peers;
mod process;
mod publish;
mod report;
mod rest;
mod rounds;
mod serving;
mod sink;
mod store;
mod worker;

use anyhow::{Result, bail};

pub use chart::{Chart, Line};
pub use report::{Report, Row, Target};
pub use rounds::Samples;

/// How much is measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scale {
    /// Also what takes long: ten million keys.
    pub full: bool,
}

type Measure = fn(Scale) -> Result<Report>;

/// Every benchmark, in the order in which all of them run.
const BENCHMARKS: &[(&str, Measure)] = &[
    ("decide", decide::measure),
    ("edge", edge::measure),
    ("gateway", gateway::measure),
    ("peers", peers::measure),
    ("memory", memory::measure),
    ("cold", cold::measure),
    ("latency", latency::measure),
    ("publish", publish::measure),
    ("control-plane", control_plane::measure),
];

/// Runs one benchmark by its name, or all of them.
pub fn run(name: Option<&str>, scale: Scale) -> Result<()> {
    let chosen: Vec<_> = BENCHMARKS.iter().filter(|(known, _)| name.is_none_or(|name| name == *known)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = BENCHMARKS.iter().map(|(name, _)| *name).collect();
        bail!("there is no benchmark `{}`. What to do: choose one of {}", name.unwrap_or_default(), names.join(", "));
    }
    for (_, measure) in chosen {
        measure(scale)?.publish()?;
    }
    Ok(())
}
