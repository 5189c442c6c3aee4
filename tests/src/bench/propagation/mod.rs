//! How soon every edge knows of a change, with a thousand verifications a second going on: over the http lane
//! at one edge and at many, at edges that nobody asks, over a KV that is late, and amid a storm of changes.
//!
//! Real control plane and real edges on plain `workerd`; KV is the tests' own, for wrangler's is never late.

mod http;
mod kv;
mod line;
mod load;
mod storm;

use std::time::Duration;

use anyhow::Result;

use self::http::Http;
use self::kv::Late;
use super::figures::{milliseconds, percentile};
use super::{Report, Row, Scale, Target};

const EDGES: usize = 16;

/// What some changes came to: rows of their own, and how long the load's requests took meanwhile.
struct Measured {
    rows: Vec<Row>,
    load: Vec<Duration>,
}

/// Measures and reports.
pub(super) fn measure(scale: Scale) -> Result<Report> {
    // A fifth of everything, the times that KV is late by among them.
    let part = if scale.quick { 5 } else { 1 };
    let mut rows = Vec::new();
    let one = Http::start(1)?.changes(300 / part, "http lane, 1 edge", [Some(750.0), Some(1_500.0)])?;
    rows.extend(one.rows);
    rows.push(Row::new("the same: a request meanwhile, p99", milliseconds(percentile(&one.load, 99)), "ms"));
    let many = Http::start(EDGES)?;
    let all = many.changes(100 / part, &format!("http lane, all of {EDGES} edges"), [None, Some(2_000.0)])?;
    rows.extend(all.rows);
    rows.push(many.idle(Duration::from_mins(1) / part)?);
    drop(many);
    let seconds = |seconds: u64| Duration::from_secs(seconds) / part;
    let late = Late {
        keys: 300 / part as usize,
        shown_after: seconds(60),
        cached_for: seconds(30),
        // Longer than what is cached, as 31 s are.
        refresh: Duration::from_secs(31_u64.div_ceil(u64::from(part))),
        quiet_for: seconds(60),
        changes_over: Duration::from_secs(if scale.quick { 20 } else { 300 }),
        bound: seconds(125),
    };
    rows.extend(kv::measure(&late)?);
    rows.extend(storm::measure(10_000 / part, seconds(60))?);
    let scaled = if scale.quick { " A fifth of the full run: of all counts, and of all times of KV." } else { "" };
    let note = format!(
        "{} verifications a second go on meanwhile, at a steady pace over all edges. A time is that from the \
         acknowledgement of a change to the first request\nthat is judged by it, asked for every 5 ms (over kv: every \
         second).{scaled}",
        load::A_SECOND
    );
    Ok(Report { note: Some(note), ..Report::new("propagation", rows) })
}

/// The rows of how long changes took, with what p50 and p99 should be at most.
fn times(at: &str, mut times: Vec<Duration>, [p50, p99]: [Option<f64>; 2]) -> Vec<Row> {
    times.sort_unstable();
    let row = |name: &str, percent, target: Option<f64>| {
        let time = milliseconds(percentile(&times, percent)).round();
        let row = Row::new(format!("{at}: {name} of {} changes", times.len()), time, "ms");
        target.into_iter().fold(row, |row, bound| row.target(Target::AtMost(bound)))
    };
    vec![row("p50", 50, p50), row("p99", 99, p99), row("slowest", 100, None)]
}
