//! Ten thousand changes in a minute: what KV is asked, and how soon keys that are disabled in the midst of them are
//! refused, over http and over a KV that is late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_shared::snapshot::MAX_RECENT_ENTRIES;
use serde_json::{Value, json};

use super::kv::Late;
use super::line::{Line, Question};
use super::load::Load;
use super::times;
use crate::bench::figures::{as_f64, milliseconds};
use crate::bench::latency::shift_phase;
use crate::bench::{Row, Target};
use crate::heads::Heads;
use crate::kv::{Asked, Call};
use crate::stack::{Admin, NewKey, eventually};
use crate::{Fleet, Lanes};

const CONNECTIONS: u32 = 16;
/// When a disabled key must be refused over http.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the changes must be made within, over the time that they are asked for in.
const MADE: f64 = 1.05;

/// What is measured.
pub(super) struct Plan {
    pub(super) late: Late,
    pub(super) changes: u32,
    pub(super) within: Duration,
    /// How many keys are disabled in the midst of it.
    pub(super) disabled: u32,
}

/// How long a disabled key was accepted.
struct Refused {
    over_http: Duration,
    over_kv: Duration,
}

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let mut fleet = Fleet::start(&plan.late.options(2, Lanes::Both))?;
    // One edge of both lanes, one of KV alone.
    fleet.stop_edge(1)?;
    fleet.start_edge(1, &[("KEYWARD_LANE_URL", "")])?;
    let admin = fleet.admin()?;
    let steady = admin.key("steady")?;
    let victims = (0..plan.disabled).map(|_| admin.key_in(&steady.workspace, "disabled", json!({})));
    let victims = victims.collect::<Result<Vec<_>>>()?;
    let newest = fleet.published()?["generation"].as_u64().context("no generation")?;
    for edge in fleet.edges() {
        // The one of KV alone asks for a head no more often than that.
        eventually(3 * plan.late.refresh, || {
            let status = edge.status()?;
            ensure!(status["generation"].as_u64() >= Some(newest), "{status}");
            Ok(())
        })?;
    }
    plan.late.begin(&fleet)?;
    let edges = [fleet.edge(0).address(), fleet.edge(1).address()];
    eprintln!("Measuring {} changes in {} s", plan.changes, plan.within.as_secs());
    let load = Load::start(&edges, &steady.secret)?;
    let (began, seen, made) = (Instant::now(), fleet.kv()?.calls().len(), AtomicU64::new(0));
    let (took, refused) = thread::scope(|scope| {
        let (admin, workspace, made) = (&admin, &steady.workspace, &made);
        let writers = (0..CONNECTIONS).map(|at| scope.spawn(move || write(admin, workspace, plan, at, made)));
        let writers: Vec<_> = writers.collect();
        let mut waiting = Vec::new();
        for (number, victim) in (1..).zip(&victims) {
            thread::sleep((plan.within * number / (plan.disabled + 1)).saturating_sub(began.elapsed()));
            shift_phase(number);
            admin.act(victim, "disable", &json!({}))?;
            let acknowledged = Instant::now();
            waiting.push(scope.spawn(move || -> Result<Refused> {
                let until = |edge, pause, patience| until_refused(edge, victim, acknowledged, pause, patience);
                let over_http = until(edges[0], Duration::from_millis(5), PATIENCE)?;
                let over_kv = until(edges[1], Duration::from_millis(250), 2 * plan.late.bound)?;
                Ok(Refused { over_http, over_kv })
            }));
        }
        for writer in writers {
            writer.join().ok().context("a thread panicked")??;
        }
        let took = began.elapsed();
        let refused = waiting.into_iter().map(|waiting| waiting.join().ok().context("a thread panicked")?);
        anyhow::Ok((took, refused.collect::<Result<Vec<_>>>()?))
    })?;
    let load = load.end()?;
    fleet.published()?;
    let mut all = kv_rows(&fleet, seen, plan, took, made.into_inner())?;
    let of = |time: fn(&Refused) -> Duration| refused.iter().map(time).collect();
    all.extend(times(
        "the same: disable acknowledged to first 401, http lane",
        of(|refused| refused.over_http),
        [Some(750.0), Some(1_500.0)],
    ));
    let bound = Some(milliseconds(plan.late.bound));
    all.extend(times(
        "the same: disable acknowledged to first 401, kv lane alone",
        of(|refused| refused.over_kv),
        [None, bound],
    ));
    all.extend(load.rows());
    Ok(all)
}

/// What KV was asked from then on.
fn kv_rows(fleet: &Fleet, seen: usize, plan: &Plan, took: Duration, made: u64) -> Result<Vec<Row>> {
    let all = fleet.kv()?.calls();
    let calls = &all[seen..];
    ensure!(calls.iter().any(Call::is_head), "KV was given no head");
    let is_bulk = |call: &Call| matches!(&call.asked, Asked::PutBulk(written) if !written.is_empty());
    ensure!(calls.iter().any(is_bulk), "KV was given no objects");
    // Those of before are read too, for a head may name objects that KV has had since.
    let heads = Heads::of(fleet.control_plane())?.in_order(&all)?;
    let carried = heads.iter().map(|head| head.recent.len()).max().unwrap_or_default();
    let at: Vec<Instant> = calls.iter().map(|call| call.at).collect();
    let refused = calls.iter().filter(|call| call.status == Some(429)).count();
    let asked = format!("{} changes in {} s", plan.changes, plan.within.as_secs());
    Ok(vec![
        Row::new(format!("{asked}: made"), as_f64(made), "changes").target(Target::AtLeast(f64::from(plan.changes))),
        Row::new("the same: all of them answered after", took.as_secs_f64(), "s")
            .target(Target::AtMost(MADE * plan.within.as_secs_f64())),
        Row::new("the same: KV API calls a second, the most of any 10 s", most(&at, 10), "/s")
            .target(Target::AtMost(2.0)),
        Row::new("the same: KV API calls in the busiest second", most(&at, 1), "calls"),
        Row::new(
            format!("the same: changed keys that a head carries beside the tree, the most ({MAX_RECENT_ENTRIES} fit)"),
            as_f64(carried as u64),
            "keys",
        ),
        Row::new("the same: KV API calls answered 429", as_f64(refused as u64), "calls").target(Target::AtMost(0.0)),
        Row::new(
            "the same: what Cloudflare's limits do not allow",
            as_f64(fleet.kv()?.violations().len() as u64),
            "times",
        )
        .target(Target::AtMost(0.0)),
    ])
}

/// How many of these there are a second in the fullest span of so many seconds.
fn most(at: &[Instant], seconds: u32) -> f64 {
    let span = Duration::from_secs(1) * seconds;
    let within = |from: &Instant| at.iter().filter(|at| (*from..*from + span).contains(*at)).count();
    as_f64(at.iter().map(within).max().unwrap_or_default() as u64) / f64::from(seconds)
}

/// Makes one connection's share of the changes at an even pace: of a key after the other, everything that can
/// happen to it, narrowing and widening.
fn write(admin: &Admin, workspace: &str, plan: &Plan, connection: u32, made: &AtomicU64) -> Result<()> {
    let (began, mut key) = (Instant::now(), None);
    for change in (connection..plan.changes).step_by(CONNECTIONS as usize) {
        thread::sleep((plan.within * change / plan.changes).saturating_sub(began.elapsed()));
        let patch = |key: &NewKey, body: Value| admin.patch(&key.path(), &body)?.must_be(200);
        match (change / CONNECTIONS % 5, &key) {
            (1, Some(key)) => drop(patch(key, json!({"access": "read-only"}))?),
            (2, Some(key)) => drop(admin.act(key, "disable", &json!({}))?),
            (3, Some(key)) => drop(admin.act(key, "enable", &json!({}))?),
            (4, Some(key)) => drop(patch(key, json!({"access": "read-write"}))?),
            _ => key = Some(admin.key_in(workspace, "stormy", json!({}))?),
        }
        made.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// How long after its acknowledgement the disabling of a key is known at an edge.
fn until_refused(
    edge: std::net::SocketAddr,
    key: &NewKey,
    acknowledged: Instant,
    pause: Duration,
    patience: Duration,
) -> Result<Duration> {
    let (mut line, question) = (Line::to(edge)?, Question::of(&key.secret));
    while line.ask(&question)? != 401 {
        ensure!(acknowledged.elapsed() < patience, "not refused within {} s", patience.as_secs());
        thread::sleep(pause);
    }
    Ok(acknowledged.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_span_is_found_wherever_it_begins() {
        let began = Instant::now();
        let at = [0, 900, 1_000, 1_800, 1_899, 3_000].map(|at| began + Duration::from_millis(at));
        assert!((most(&at, 1) - 4.0).abs() < f64::EPSILON, "900 to 1,899");
        assert!((most(&at, 10) - 0.6).abs() < f64::EPSILON);
        assert!(most(&[], 1).abs() < f64::EPSILON);
    }
}
