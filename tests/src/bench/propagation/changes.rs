//! Changes of keys, each measured at all of some edges: from its acknowledgement to the first request that is
//! judged by it. Several are on their way at once, so that hundreds do not take an hour.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::line::{Line, Question};
use super::times;
use crate::bench::Row;
use crate::bench::latency::shift_phase;
use crate::stack::Admin;

/// When a change is called lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is changed, and where it is looked for.
pub(super) struct Changes<'a> {
    pub(super) admin: &'a Admin,
    pub(super) workspace: &'a str,
    pub(super) edges: &'a [SocketAddr],
    /// How many, half of them creations and half disablings.
    pub(super) count: u32,
    /// How many may be on their way.
    pub(super) at_once: u32,
    /// The pause between two requests to one edge while a change is awaited there.
    pub(super) ask_every: Duration,
}

/// How long one change took.
pub(super) struct Change {
    /// Whether it turned a refusal into an acceptance; else the other way round.
    pub(super) is_accepted: bool,
    /// At each edge.
    pub(super) took: Vec<Duration>,
}

impl Change {
    /// At the slowest edge.
    pub(super) fn slowest(&self) -> Duration {
        self.took.iter().max().copied().unwrap_or_default()
    }
}

impl Changes<'_> {
    /// Makes and measures them.
    pub(super) fn measure(&self) -> Result<Vec<Change>> {
        thread::scope(|scope| {
            let makers: Vec<_> = (0..self.at_once).map(|maker| scope.spawn(move || self.make(maker))).collect();
            let made = makers.into_iter().map(|maker| maker.join().ok().context("a thread panicked")?);
            Ok(made.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
        })
    }

    /// Every so manyth key is created and then disabled.
    fn make(&self, maker: u32) -> Result<Vec<Change>> {
        let mut lines = self.edges.iter().map(|edge| Line::to(*edge)).collect::<Result<Vec<_>>>()?;
        let mut changes = Vec::new();
        for number in (maker..self.count / 2).step_by(usize::try_from(self.at_once)?) {
            shift_phase(number);
            let key = self.admin.key_in(self.workspace, "changed", json!({}))?;
            let question = Question::of(&key.secret);
            changes.push(self.at_all(&mut lines, &question, true, Instant::now())?);
            shift_phase(number + self.count / 4);
            self.admin.act(&key, "disable", &json!({}))?;
            changes.push(self.at_all(&mut lines, &question, false, Instant::now())?);
        }
        Ok(changes)
    }

    /// How long it takes until each edge answers so.
    fn at_all(
        &self,
        lines: &mut [Line],
        question: &Question,
        is_accepted: bool,
        acknowledged: Instant,
    ) -> Result<Change> {
        let wanted = if is_accepted { 200 } else { 401 };
        let until = |line: &mut Line| -> Result<Duration> {
            while line.ask(question)? != wanted {
                ensure!(acknowledged.elapsed() < PATIENCE, "no {wanted} within {} s", PATIENCE.as_secs());
                thread::sleep(self.ask_every);
            }
            Ok(acknowledged.elapsed())
        };
        let took = thread::scope(|scope| {
            let edges: Vec<_> = lines.iter_mut().map(|line| scope.spawn(move || until(line))).collect();
            edges.into_iter().map(|edge| edge.join().ok().context("a thread panicked")?).collect::<Result<_>>()
        })?;
        Ok(Change { is_accepted, took })
    }
}

/// The rows of changes as one time of each tells them: all, acceptances and refusals, with what p50 and p99
/// should be at most, in milliseconds.
pub(super) fn rows(
    at: &str,
    changes: &[Change],
    time: impl Fn(&Change) -> Duration,
    targets: [Option<f64>; 2],
) -> Vec<Row> {
    let of = |which: &dyn Fn(&Change) -> bool| changes.iter().filter(|change| which(change)).map(&time).collect();
    let mut rows = times(&format!("{at}, all"), of(&|_| true), targets);
    rows.extend(times(&format!("{at}, create to first 200"), of(&|change| change.is_accepted), targets));
    rows.extend(times(&format!("{at}, disable to first 401"), of(&|change| !change.is_accepted), targets));
    rows
}
