//! The http lane: from the acknowledgement of a change to the first request that is judged by it, at every
//! edge; and the first request at edges that nobody has asked for a while.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::line::{Line, Question};
use super::load::Load;
use super::{Measured, times};
use crate::bench::figures::as_f64;
use crate::bench::latency::shift_phase;
use crate::bench::{Row, Target};
use crate::stack::generation;
use crate::{Fleet, FleetOptions, Lanes};

/// The pause between two requests while a change is awaited.
const ASK_EVERY: Duration = Duration::from_millis(5);
/// When a change is called lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long after a change the first request at an idle edge comes, as the contract words it.
const PROMISE: Duration = Duration::from_millis(2_500);

/// So many edges of one control plane, which has one workspace.
pub(super) struct Http {
    fleet: Fleet,
    workspace: String,
    addresses: Vec<SocketAddr>,
}

impl Http {
    pub(super) fn start(edges: usize) -> Result<Self> {
        let fleet = Fleet::start(&FleetOptions::new(edges, Lanes::Http).as_shipped())?;
        let workspace = fleet.admin()?.workspace("propagation")?["id"].as_str().context("no id")?.to_owned();
        let addresses = fleet.edges().map(crate::Workerd::address).collect();
        Ok(Self { fleet, workspace, addresses })
    }

    /// Changes keys, half of the changes creations and half disablings, and measures each at all edges.
    pub(super) fn changes(&self, changes: u32, at: &str, targets: [Option<f64>; 2]) -> Result<Measured> {
        let admin = self.fleet.admin()?;
        let steady = admin.key_in(&self.workspace, "steady", json!({}))?;
        self.fleet.applied(steady.generation)?;
        eprintln!("Measuring {at}: {changes} changes");
        let load = Load::start(&self.addresses, &steady.secret)?;
        let mut slowest = Vec::new();
        for change in 0..changes / 2 {
            shift_phase(change);
            let key = admin.key_in(&self.workspace, "changed", json!({}))?;
            slowest.push(self.at_all(&key.secret, 200, Instant::now())?);
            shift_phase(change + changes / 4);
            admin.act(&key, "disable", &json!({}))?;
            slowest.push(self.at_all(&key.secret, 401, Instant::now())?);
        }
        let load = load.end()?;
        Ok(Measured { rows: times(at, slowest, targets), load })
    }

    /// How long it takes until every edge answers so.
    fn at_all(&self, secret: &str, status: u16, acknowledged: Instant) -> Result<Duration> {
        let until = |edge: SocketAddr| -> Result<Duration> {
            let (mut line, question) = (Line::to(edge)?, Question::of(secret));
            while line.ask(&question)? != status {
                ensure!(acknowledged.elapsed() < PATIENCE, "no {status} within {} s", PATIENCE.as_secs());
                thread::sleep(ASK_EVERY);
            }
            Ok(acknowledged.elapsed())
        };
        thread::scope(|scope| {
            let edges: Vec<_> = self.addresses.iter().map(|edge| scope.spawn(|| until(*edge))).collect();
            let taken = edges.into_iter().map(|edge| edge.join().ok().context("a thread panicked")?);
            Ok(taken.collect::<Result<Vec<_>>>()?.into_iter().max().unwrap_or_default())
        })
    }

    /// Leaves all edges alone, disables a key for each, and asks each once.
    pub(super) fn idle(&self, idle: Duration) -> Result<Row> {
        let admin = self.fleet.admin()?;
        let keys = self.addresses.iter().map(|_| admin.key_in(&self.workspace, "idle", json!({})));
        let keys = keys.collect::<Result<Vec<_>>>()?;
        self.fleet.applied(keys.last().context("no edges")?.generation)?;
        let ask = |edge: SocketAddr, secret: &str| Line::to(edge)?.ask(&Question::of(secret));
        for (edge, key) in self.addresses.iter().zip(&keys) {
            ensure!(ask(*edge, &key.secret)? == 200, "a new key is refused");
        }
        eprintln!("Measuring edges that nobody asks for {} s", idle.as_secs());
        thread::sleep(idle.saturating_sub(PROMISE));
        for key in &keys {
            generation(&admin.act(key, "disable", &json!({}))?)?;
        }
        thread::sleep(PROMISE);
        let mut wrong = 0;
        for (edge, key) in self.addresses.iter().zip(&keys) {
            wrong += u64::from(ask(*edge, &key.secret)? == 200);
        }
        let row = format!(
            "disabled keys accepted by the first request {} ms later, of {} edges idle for {} s",
            PROMISE.as_millis(),
            keys.len(),
            idle.as_secs()
        );
        Ok(Row::new(row, as_f64(wrong), "keys").target(Target::AtMost(0.0)))
    }
}
