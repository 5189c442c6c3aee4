//! The http lane without a cache in front: one edge that is asked, beside others that nobody asks for a minute;
//! and many that are all asked.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::changes::{Change, Changes, rows};
use super::line::{Line, Question};
use super::load::Load;
use crate::bench::figures::{as_f64, milliseconds};
use crate::bench::{Row, Target};
use crate::stack::{Admin, NewKey, eventually, generation};
use crate::{Fleet, FleetOptions, Lanes};

/// When a change must be in the head that is served.
const PATIENCE: Duration = Duration::from_secs(10);

/// Edges that nobody asks, and for how long, over and over.
pub(super) struct Idle {
    pub(super) edges: usize,
    pub(super) time: Duration,
    pub(super) rounds: usize,
}

/// One edge that is asked, and others that are not.
pub(super) fn one(count: u32, idle: &Idle) -> Result<Vec<Row>> {
    let fleet = Fleet::start(&FleetOptions::new(1 + idle.edges, Lanes::Http).as_shipped())?;
    let admin = fleet.admin()?;
    let steady = admin.key("steady")?;
    fleet.applied(steady.generation)?;
    let (busy, idle_edges) = split(&fleet)?;
    eprintln!("Measuring the http lane: {count} changes at one edge, and {} that nobody asks", idle.edges);
    let load = Load::start(&[busy], &steady.secret)?;
    let (changed, first) = thread::scope(|scope| {
        let first = scope.spawn(|| first_requests(&admin, &steady.workspace, &idle_edges, idle));
        let changes = Changes {
            admin: &admin,
            workspace: &steady.workspace,
            edges: &[busy],
            count,
            at_once: 3,
            ask_every: Duration::from_millis(5),
        };
        let changed = changes.measure()?;
        anyhow::Ok((changed, first.join().ok().context("a thread panicked")??))
    })?;
    let load = load.end()?;
    let mut all = rows("http lane, 1 edge", &changed, Change::slowest, [Some(750.0), Some(1_500.0)]);
    all.extend(load.rows());
    all.extend(first.rows(idle));
    Ok(all)
}

/// Many edges, all of them asked.
pub(super) fn many(edges: usize, count: u32) -> Result<Vec<Row>> {
    let fleet = Fleet::start(&FleetOptions::new(edges, Lanes::Http).as_shipped())?;
    let admin = fleet.admin()?;
    let steady = admin.key("steady")?;
    fleet.applied(steady.generation)?;
    let addresses: Vec<_> = fleet.edges().map(crate::Workerd::address).collect();
    eprintln!("Measuring the http lane: {count} changes at {edges} edges");
    let load = Load::start(&addresses, &steady.secret)?;
    let changes = Changes {
        admin: &admin,
        workspace: &steady.workspace,
        edges: &addresses,
        count,
        at_once: 4,
        ask_every: Duration::from_millis(40),
    };
    let changed = changes.measure()?;
    let load = load.end()?;
    let mut all = rows(&format!("http lane, all of {edges} edges"), &changed, Change::slowest, [None, Some(2_000.0)]);
    all.extend(load.rows());
    Ok(all)
}

fn split(fleet: &Fleet) -> Result<(SocketAddr, Vec<SocketAddr>)> {
    let mut addresses = fleet.edges().map(crate::Workerd::address);
    Ok((addresses.next().context("no edge")?, addresses.collect()))
}

/// What the first requests at idle edges came to.
#[derive(Default)]
struct First {
    asked: u64,
    wrong: u64,
    slowest: Duration,
}

impl First {
    fn rows(&self, idle: &Idle) -> [Row; 2] {
        let seconds = idle.time.as_secs();
        let what = format!("http lane, first requests at edges idle for {seconds} s, of {}", self.asked);
        [
            Row::new(format!("{what}: not judged by the new head"), as_f64(self.wrong), "requests")
                .target(Target::AtMost(0.0)),
            Row::new("the same: the slowest of them", milliseconds(self.slowest), "ms"),
        ]
    }
}

/// Leaves edges alone, then changes a key for each, and asks each once as soon as the new head is served: every
/// other one should refuse what it accepted, the others accept what they refused.
fn first_requests(admin: &Admin, workspace: &str, edges: &[SocketAddr], idle: &Idle) -> Result<First> {
    let mut first = First::default();
    for round in 0..idle.rounds {
        let mut keys = Vec::new();
        for at in 0..edges.len() {
            let key = admin.key_in(workspace, "idle", json!({}))?;
            let is_to_refuse = (at + round) % 2 == 0;
            let mut newest = key.generation;
            if !is_to_refuse {
                newest = generation(&admin.act(&key, "disable", &json!({}))?)?;
            }
            keys.push((key, is_to_refuse, newest));
        }
        for (edge, (key, is_to_refuse, newest)) in edges.iter().zip(&keys) {
            is_served(admin, *newest)?;
            // Asked until it knows: from then on it is left alone.
            let (mut line, question) = (Line::to(*edge)?, Question::of(&key.secret));
            let before = if *is_to_refuse { 200 } else { 401 };
            eventually(PATIENCE, || {
                ensure!(line.ask(&question)? == before, "not {before} yet");
                Ok(())
            })?;
        }
        thread::sleep(idle.time);
        let mut newest = 0;
        for (key, is_to_refuse, _) in &keys {
            let verb = if *is_to_refuse { "disable" } else { "enable" };
            newest = generation(&admin.act(key, verb, &json!({}))?)?;
        }
        is_served(admin, newest)?;
        let ask = |edge: SocketAddr, key: &NewKey| -> Result<(u16, Duration)> {
            let began = Instant::now();
            Ok((Line::to(edge)?.ask(&Question::of(&key.secret))?, began.elapsed()))
        };
        thread::scope(|scope| {
            let asked: Vec<_> =
                edges.iter().zip(&keys).map(|(edge, (key, ..))| scope.spawn(move || ask(*edge, key))).collect();
            for (asked, (_, is_to_refuse, _)) in asked.into_iter().zip(&keys) {
                let (status, took) = asked.join().ok().context("a thread panicked")??;
                first.asked += 1;
                first.wrong += u64::from(status != if *is_to_refuse { 401 } else { 200 });
                first.slowest = first.slowest.max(took);
            }
            anyhow::Ok(())
        })?;
    }
    Ok(first)
}

/// Waits until the head that edges are served carries a generation.
fn is_served(admin: &Admin, newest: u64) -> Result<()> {
    eventually(PATIENCE, || {
        let snapshot = admin.snapshot()?;
        ensure!(snapshot["published_generation"].as_u64() >= Some(newest), "{snapshot}");
        Ok(())
    })
}
