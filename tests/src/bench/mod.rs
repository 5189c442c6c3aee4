//! Benchmarks on the real parts: each gives rows, a table and a file of them.
//!
//! Ratios are taken side by side in one run, in alternating rounds. A time holds only on the machine
//! it was taken on; what must hold everywhere (counts, bytes) is a test.

mod audit;
mod chart;
pub mod cold;
mod contest;
mod control_plane;
mod database;
mod decide;
mod edge;
mod figures;
pub mod fixture;
mod gateway;
mod growth;
mod import;
mod latency;
mod load;
mod memory;
mod origin;
mod peers;
mod propagation;
mod publish;
mod report;
mod rest;
mod rounds;
mod serving;
mod sink;
mod store;
mod worker;

use std::time::Instant;

use anyhow::{Result, bail, ensure};

pub use chart::{Chart, Line};
pub use report::{Report, Row, TakenAt, Target};
pub use rounds::Samples;

/// How much is measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scale {
    /// Also what takes long: ten million keys.
    pub full: bool,
    /// Less of what takes many minutes, to see that it works.
    pub quick: bool,
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
    ("propagation", propagation::measure),
    ("publish", publish::measure),
    ("growth", growth::measure),
    ("control-plane", control_plane::measure),
    ("import", import::measure),
    ("audit", audit::measure),
];

/// Runs one benchmark by its name, or all of them; one that fails does not keep the others from being
/// run. What they find is written to `target/bench/` as they go, and from there to `docs/` only where
/// all of them were measured, so that page and drawings are always of one whole run.
pub fn run(name: Option<&str>, scale: Scale) -> Result<()> {
    let chosen: Vec<_> = BENCHMARKS.iter().filter(|(known, _)| name.is_none_or(|name| name == *known)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = BENCHMARKS.iter().map(|(name, _)| *name).collect();
        bail!("there is no benchmark `{}`. What to do: choose one of {}", name.unwrap_or_default(), names.join(", "));
    }
    let (all, taken_at, began) = (name.is_none(), TakenAt::now(), Instant::now());
    let (mut reports, mut failed) = (Vec::new(), Vec::new());
    for (name, measure) in chosen {
        let started = Instant::now();
        eprintln!("{name}");
        match measure(scale).and_then(|report| report.publish(&taken_at).map(|()| report)) {
            Ok(report) => {
                reports.push(report);
                // At once, so that nothing is lost where a later one takes too long for somebody.
                if all {
                    report::write_page(&reports, &taken_at, began.elapsed())?;
                }
            }
            Err(error) => {
                eprintln!("{name}: {error:#}");
                failed.push(*name);
            }
        }
        eprintln!("{name}: {} s", started.elapsed().as_secs());
    }
    report::sum_up(&reports, began.elapsed());
    ensure!(failed.is_empty(), "not measured: {}. What to do: read what each said above", failed.join(", "));
    if all {
        report::copy_to_docs(&reports)?;
    }
    Ok(())
}
