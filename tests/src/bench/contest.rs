//! A contest: parts under load in turn, and what a request costs each.
//!
//! What counts is the processor time that a part itself uses for a request: it holds still where
//! requests a second sway with whatever else the machine does, the load's own work included.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use xtask::parts::Part;

use super::figures::as_f64;
use super::load::Load;
use super::rounds::alternate;
use super::worker::{Spec, Worker};
use super::{Row, Samples};
use crate::process;

const ROUND: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_secs(3);

/// One that takes part, and what it is asked.
pub(super) struct Contender {
    pub(super) name: String,
    runner: Runner,
    load: Load,
    refused: f64,
    /// Processor time of a request in microseconds, round by round.
    pub(super) cost: Samples,
    /// Requests a second, round by round.
    pub(super) a_second: Samples,
}

enum Runner {
    Worker(Worker),
    Part(Part, SocketAddr),
}

impl Contender {
    /// A Worker.
    pub(super) fn worker(spec: &Spec<'_>, load: Load) -> Result<Self> {
        Ok(Self::new(spec.name, Runner::Worker(Worker::start(spec)?), load))
    }

    /// Any other program that listens.
    pub(super) fn part(name: &str, part: Part, address: SocketAddr, load: Load) -> Self {
        Self::new(name, Runner::Part(part, address), load)
    }

    fn new(name: &str, runner: Runner, load: Load) -> Self {
        let (cost, a_second) = (Samples::default(), Samples::default());
        Self { name: name.to_owned(), runner, load, refused: 0.0, cost, a_second }
    }

    /// The same, of whose requests this share must be refused.
    #[must_use]
    pub(super) fn refusing(mut self, share: f64) -> Self {
        self.refused = share;
        self
    }

    /// Its two rows.
    pub(super) fn rows(&self) -> [Row; 2] {
        [
            Row::of(format!("{}: processor time a request", self.name), &self.cost, "µs"),
            Row::of(format!("{}: requests a second", self.name), &self.a_second, "1/s"),
        ]
    }

    fn address(&self) -> SocketAddr {
        match &self.runner {
            Runner::Worker(worker) => worker.address(),
            Runner::Part(_, address) => *address,
        }
    }

    fn processor_time(&mut self) -> Result<Duration> {
        match &mut self.runner {
            Runner::Worker(worker) => worker.processor_time(),
            Runner::Part(part, _) => process::processor_time(part),
        }
    }

    fn turn(&mut self) -> Result<()> {
        let before = self.processor_time()?;
        let outcome = self.load.run(self.address(), ROUND)?;
        let used = self.processor_time()?.saturating_sub(before);
        let (requests, refused) = (as_f64(outcome.requests), as_f64(outcome.refused));
        ensure!(outcome.failed == 0, "{}: {outcome:?}", self.name);
        ensure!(
            (refused / requests - self.refused).abs() < 0.02,
            "{}: {refused} of {requests} requests were refused, {} of them should be",
            self.name,
            self.refused
        );
        self.cost.push(used.as_secs_f64() * 1e6 / requests);
        self.a_second.push(outcome.a_second());
        Ok(())
    }
}

/// Warms all of them up and lets them take turns.
pub(super) fn hold(rounds: usize, contenders: &mut [Contender]) -> Result<()> {
    for contender in &mut *contenders {
        eprintln!("Warming up: {}", contender.name);
        contender.load.run(contender.address(), WARM_UP)?;
    }
    eprintln!("Measuring, {rounds} rounds of {} contenders", contenders.len());
    alternate(rounds, contenders, Contender::turn)
}
