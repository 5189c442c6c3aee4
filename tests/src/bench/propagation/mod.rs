//! How soon every edge knows of a change, with a thousand verifications a second going on: over the http lane at
//! one edge, at edges that nobody asks, at many, and behind a cache; over a KV that is late; and amid a storm of
//! changes; and what is judged in three hours without anything behind them, in simulated time.
//!
//! Real control plane, real edges on plain `workerd`, a real nginx; KV is the tests' own, for wrangler's is never
//! late.

mod alone;
mod changes;
mod http;
mod kv;
mod line;
mod load;
mod proxy;
mod storm;
mod watched;

use std::time::Duration;

use anyhow::Result;

use self::http::Idle;
use self::kv::Late;
use super::figures::{milliseconds, percentile};
use super::{Report, Row, Scale, Target};

const EDGES: usize = 16;
const EDGES_BEHIND_A_CACHE: usize = 4;

/// Measures and reports.
pub(super) fn measure(scale: Scale) -> Result<Report> {
    // Less of everything, the times that KV is late by among them.
    let part: u32 = if scale.quick { 10 } else { 1 };
    let seconds = |seconds: u64| Duration::from_secs(seconds) / part;
    let idle = Idle { edges: if scale.quick { 4 } else { EDGES }, time: seconds(60), rounds: 2 };
    let late = Late {
        shown_after: seconds(60),
        cached_for: seconds(30),
        // Longer than what is cached, as 31 s are.
        refresh: if scale.quick { Duration::from_secs(4) } else { Duration::from_secs(31) },
        bound: if scale.quick { Duration::from_secs(14) } else { Duration::from_secs(125) },
    };
    let keys =
        kv::Plan { late, keys: if scale.quick { 30 } else { 300 }, changes_over: seconds(150), quiet_for: seconds(40) };
    let storm = storm::Plan { late, changes: 10_000 / part, within: seconds(60), disabled: 60 / part };
    let mut rows = Vec::new();
    let mut take = |of_one: Vec<Row>| {
        // It goes on for a quarter of an hour: what is known by then is told.
        for row in &of_one {
            eprintln!("  {row}");
        }
        rows.extend(of_one);
    };
    // What it builds is built before anything is measured.
    take(alone::measure()?);
    take(http::one(300 / part, &idle)?);
    take(http::many(EDGES, 300 / part)?);
    take(proxy::measure(EDGES_BEHIND_A_CACHE, 300 / part)?);
    take(kv::measure(&keys)?);
    take(storm::measure(&storm)?);
    let scaled = if scale.quick { " A tenth of the full run: of all counts, and of all times of KV." } else { "" };
    let note = format!(
        "{} verifications a second go on meanwhile (over kv: at each of two edges), each when it is due, whatever \
         becomes of the one before; its time\ncounts from then. A change's time is that from its acknowledgement to \
         the first request that is judged by it.{scaled}",
        load::A_SECOND
    );
    Ok(Report { note: Some(note), ..Report::new("propagation", rows) })
}

/// The rows of how long changes took, with what p50 and p99 should be at most, in milliseconds.
fn times(at: &str, mut times: Vec<Duration>, [p50, p99]: [Option<f64>; 2]) -> Vec<Row> {
    times.sort_unstable();
    let row = |name: &str, percent, target: Option<f64>| {
        let time = milliseconds(percentile(&times, percent)).round();
        let row = Row::new(format!("{at}: {name} of {}", times.len()), time, "ms");
        target.into_iter().fold(row, |row, bound| row.target(Target::AtMost(bound)))
    };
    vec![row("p50", 50, p50), row("p99", 99, p99), row("slowest", 100, None)]
}
