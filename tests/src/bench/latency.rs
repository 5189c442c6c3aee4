//! How soon a change counts at the edge: from sending the call to the control plane until the first
//! request that is judged by it, over the http lane, with the real parts.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::json;
use xtask::build::native::Profile;

use super::figures::{milliseconds, percentile};
use super::{Report, Row, Scale, Target};
use crate::stack::{Admin, NewKey, generation};
use crate::{Lanes, Options, Stack};

/// Changes of each kind: more than a hundred, so that the slowest is not the 99th percentile.
const CHANGES: u32 = 120;
/// Changes after which the edge is left alone.
const IDLE_CHANGES: u32 = 20;
/// What the contract promises: the first request so long after a change is judged by it.
const PROMISE: Duration = Duration::from_millis(2500);
/// The pause between two requests while a change is awaited.
const ASK_EVERY: Duration = Duration::from_millis(5);
/// When a change is called lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures and reports.
pub(super) fn measure(_scale: Scale) -> Result<Report> {
    let options = Options { lanes: Lanes::Http, profile: Profile::Release, ..Options::default() };
    let stack = Stack::start(&options)?;
    let admin = stack.admin()?;
    let workspace = admin.workspace("latency")?;
    let Some(workspace) = workspace["id"].as_str() else { bail!("a workspace without id") };

    eprintln!("Measuring, {CHANGES} creations and {CHANGES} disablings");
    let mut created = Vec::new();
    let mut disabled = Vec::new();
    for change in 0..CHANGES {
        shift_phase(change);
        let sent = Instant::now();
        let key = admin.key_in(workspace, "latency", json!({}))?;
        created.push(until(&stack, &key, 200, sent)?);

        shift_phase(change + CHANGES / 2);
        let sent = Instant::now();
        admin.act(&key, "disable", &json!({}))?;
        disabled.push(until(&stack, &key, 401, sent)?);
    }
    eprintln!("Measuring, {IDLE_CHANGES} disablings at an edge that nobody asks meanwhile");
    let late = idle(&stack, &admin, workspace)?;

    let mut rows = figures("create to first 200", created);
    rows.extend(figures("disable to first 401", disabled));
    let row = format!(
        "disabled keys still accepted by the first request {} ms later, of {IDLE_CHANGES}, idle edge",
        PROMISE.as_millis()
    );
    rows.push(Row::new(row, f64::from(late), "keys").target(Target::AtMost(0.0)));
    Ok(Report::new("latency", rows))
}

/// Waits a part of a second that differs from change to change, so that changes do not fall into
/// step with the edge's refreshes, which come once a second.
pub(super) fn shift_phase(change: u32) {
    let milliseconds = u64::from(change) * 383 % 1000;
    thread::sleep(Duration::from_millis(milliseconds));
}

/// Asks the edge until it answers with a status; the time since `sent`.
fn until(stack: &Stack, key: &NewKey, status: u16, sent: Instant) -> Result<Duration> {
    loop {
        let answer = stack.edge("/v1/ping").key(&key.secret).send()?;
        if answer.status == status {
            return Ok(sent.elapsed());
        }
        ensure!(
            matches!(answer.status, 200 | 401),
            "the edge answers {} instead of judging: {}",
            answer.status,
            answer.text()
        );
        ensure!(sent.elapsed() < PATIENCE, "no {status} within {} s", PATIENCE.as_secs());
        thread::sleep(ASK_EVERY);
    }
}

/// Disables keys, asks nothing for as long as the promise says, then asks once. How many are still
/// accepted.
fn idle(stack: &Stack, admin: &Admin, workspace: &str) -> Result<u32> {
    let mut late = 0;
    for change in 0..IDLE_CHANGES {
        let key = admin.key_in(workspace, "idle", json!({}))?;
        stack.applied(key.generation)?;
        stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
        shift_phase(change);
        generation(&admin.act(&key, "disable", &json!({}))?)?;
        thread::sleep(PROMISE);
        if stack.edge("/v1/ping").key(&key.secret).send()?.status == 200 {
            late += 1;
        }
    }
    Ok(late)
}

fn figures(what: &str, mut times: Vec<Duration>) -> Vec<Row> {
    times.sort();
    let row = |name: &str, time: Duration| {
        let row = Row::new(format!("{what}, {name} of {}", times.len()), milliseconds(time).round(), "ms");
        row.target(Target::AtMost(milliseconds(PROMISE)))
    };
    vec![
        row("p50", percentile(&times, 50)),
        row("p99", percentile(&times, 99)),
        row("slowest", percentile(&times, 100)),
    ]
}
