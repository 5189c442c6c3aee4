//! Three hours without control plane and KV, then longer than any head lasts, then both are back: on the simulated
//! clock of the control plane's tests, around the product's own code.

use anyhow::{Context, Result};
use serde::Deserialize;
use xtask::build::native;

use crate::bench::{Row, Target};
use crate::clients::run;

const PACKAGE: &str = "keyward-control-plane";
/// It fails where a verdict is another than it should be, so figures are only had where none was.
const TEST: &str = "alone::three_hours_alone";
/// What its line begins with.
const TOLD: &str = "three hours alone: ";

/// What the test saw.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    edges: u32,
    deadlines: u32,
    verdicts: u32,
    expired: u32,
    recovered_over_http_ms: u32,
    recovered_over_kv_alone_ms: u32,
    most_at_once: u32,
}

pub(super) fn measure() -> Result<Vec<Row>> {
    let said = run(&mut native::test(PACKAGE, "simulation", TEST))?;
    let (_, told) = said.split_once(TOLD).with_context(|| format!("{TEST} tells no figures: {said}"))?;
    let told = told.lines().next().unwrap_or_default();
    let seen: Seen = serde_json::from_str(told).with_context(|| format!("{TEST} tells {told}"))?;
    let row = |what: &str, value: u32, unit| {
        Row::new(format!("3 h alone (simulated clock), {} edges: {what}", seen.edges), f64::from(value), unit)
    };
    Ok(vec![
        row("verdicts of leaves held, each as before", seen.verdicts, ""),
        row("ends of keys and grace periods, judged 1 ms before and at each", seen.deadlines, ""),
        row("after `expires_at`: requests, each a 503", seen.expired, ""),
        row("both back: the last edge over http judges after", seen.recovered_over_http_ms, "ms")
            .target(Target::AtMost(25_000.0)),
        row("both back: the last edge over KV alone judges after", seen.recovered_over_kv_alone_ms, "ms")
            .target(Target::AtMost(35_000.0)),
        row("edges that ask a lane within 100 ms, at most", seen.most_at_once, "").target(Target::AtMost(3.0)),
    ])
}
