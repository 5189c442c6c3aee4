//! Mutations at a steady rate, and a disable in the midst of them.
//!
//! The mutations create keys, one after another in all workspaces, over REST.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_shared::fingerprint::Fingerprint;
use tokio::time::{sleep, sleep_until};

use crate::bench::database::Filled;
use crate::bench::figures::{as_f64, milliseconds};
use crate::bench::rest::Connection;
use crate::bench::serving::Serving;
use crate::bench::sink::{Call, Sink};
use crate::bench::{Row, Samples, Target};
use crate::heads::Heads;

/// Connections that the mutations come over.
const CONNECTIONS: u64 = 48;
/// Between two looks at the head and at how publishing stands.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// When nothing was written to KV for so long, all of it was.
const QUIET: Duration = Duration::from_secs(5);
/// A ratio that is no matter of chance: a disable that overtakes, a batch that writes less for each mutation.
const MUCH_LESS: Target = Target::AtMost(0.5);
/// What piles up without bound is twice as high at the end as half-way.
const BOUNDED: Target = Target::AtMost(1.5);
/// Over which the rate of calls is taken.
const WINDOW: Duration = Duration::from_secs(5);

/// A rate that is held for a while.
struct Phase {
    rate: u64,
    seconds: u64,
    disable: bool,
}

const PHASES: [Phase; 3] = [
    Phase { rate: 10, seconds: 20, disable: false },
    Phase { rate: 100, seconds: 20, disable: false },
    // A little more than what is asked for, so that the rate is reached with its end included.
    Phase { rate: 1_020, seconds: 60, disable: true },
];

/// What was seen while a rate was held.
struct Seen {
    mutations: u64,
    took: Duration,
    calls: Vec<Call>,
    drained_after: Duration,
    backlog: Backlog,
    disable: Option<Overtaking>,
}

/// Generations that were not in KV yet, now and then in either half of the time.
#[derive(Default)]
struct Backlog {
    all: Samples,
    halves: [Samples; 2],
}

impl Seen {
    /// In KiB.
    fn written_a_mutation(&self) -> f64 {
        let bytes: u64 = self.calls.iter().map(Call::bytes).sum();
        as_f64(bytes) / as_f64(self.mutations) / super::KIB
    }
}

/// A disable and the bulk around it: from sending the call to a served head.
struct Overtaking {
    disable: Duration,
    bulk: Duration,
}

/// Holds each rate in turn.
pub(super) fn rows(program: &Path, filled: &Filled) -> Result<Vec<Row>> {
    let sink = Sink::start()?;
    let serving = Serving::start(program, filled.copy()?, Some(sink.address()), None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut rows, mut written) = (Vec::new(), Vec::new());
    for (number, phase) in PHASES.iter().enumerate() {
        serving.settled()?;
        eprintln!("Measuring {} mutations a second for {} s", phase.rate, phase.seconds);
        quiet(&sink);
        let before = sink.count();
        let held = Hold { serving: &serving, filled, phase, name: format!("phase-{number}") };
        let mut seen = runtime.block_on(held.run())?;
        let ended = Instant::now();
        serving.settled()?;
        quiet(&sink);
        seen.calls = sink.calls_after(before);
        let last = seen.calls.last().map_or(ended, |call| call.at);
        seen.drained_after = last.saturating_duration_since(ended);
        rows.extend(super::told(report(phase, &seen)?));
        written.push(seen.written_a_mutation());
    }
    if let ([slow, .., fast], [at_slow, .., at_fast]) = (&PHASES, written.as_slice()) {
        let row = format!("written to KV a mutation, at {} mutations/s over at {}", fast.rate, slow.rate);
        rows.extend(super::told(vec![Row::new(row, at_fast / at_slow, "×").target(MUCH_LESS)]));
    }
    Ok(rows)
}

/// Waits until nothing more is written to KV: the tree's share of a change comes after its head.
fn quiet(sink: &Sink) {
    let mut seen = None;
    while seen != Some(sink.count()) {
        seen = Some(sink.count());
        std::thread::sleep(QUIET);
    }
}

/// The rate of the busiest window.
fn most_calls(calls: &[Call]) -> Result<f64> {
    let within = |first: &Call| calls.iter().filter(|call| call.at >= first.at && call.at - first.at < WINDOW).count();
    let most = calls.iter().map(within).max().context("KV was not called")?;
    Ok(as_f64(most as u64) / WINDOW.as_secs_f64())
}

fn report(phase: &Phase, seen: &Seen) -> Result<Vec<Row>> {
    let name = format!("{} mutations/s for {} s", phase.rate, phase.seconds);
    let mut rows = vec![Row::new(format!("{name}: written to KV a mutation"), seen.written_a_mutation(), "KiB")];
    let Some(overtaking) = &seen.disable else {
        return Ok(rows);
    };
    let heads: Vec<Instant> = seen.calls.iter().filter(|call| call.head.is_some()).map(|call| call.at).collect();
    ensure!(heads.len() > 1, "{} heads were written to KV", heads.len());
    let between = heads.windows(2).map(|two| (two[1] - two[0]).as_secs_f64()).fold(f64::INFINITY, f64::min);
    let [earlier, later] = seen.backlog.halves.each_ref().map(|half| half.spread().1);
    let growth = if later > 0.0 { later / earlier } else { 0.0 };
    let overtaken = overtaking.disable.as_secs_f64() / overtaking.bulk.as_secs_f64();
    let rate = as_f64(seen.mutations) / seen.took.as_secs_f64();
    rows.extend([
        Row::new(format!("{name}: answered"), rate, "mutations/s").target(Target::AtLeast(1_000.0)),
        Row::new(format!("{name}: shortest time between two heads in KV"), between, "s").target(Target::AtLeast(1.1)),
        Row::new(format!("{name}: most KV calls in any {} s", WINDOW.as_secs()), most_calls(&seen.calls)?, "calls/s")
            .target(Target::AtMost(2.0)),
        Row::of(format!("{name}: generations not in KV yet"), &seen.backlog.all, "generations"),
        Row::new(format!("{name}: the most of them in the second half over the first"), growth, "×").target(BOUNDED),
        Row::new(format!("{name}: all of it in KV and in the tree after"), seen.drained_after.as_secs_f64(), "s"),
        Row::new(
            format!("{name}: a disable in the midst, to a served head"),
            milliseconds(overtaking.disable).round(),
            "ms",
        ),
        Row::new(
            format!("{name}: the mutations before it, to a served head"),
            milliseconds(overtaking.bulk).round(),
            "ms",
        ),
        Row::new(format!("{name}: the disable over the mutations before it"), overtaken, "×").target(MUCH_LESS),
    ]);
    Ok(rows)
}

struct Hold<'a> {
    serving: &'a Serving,
    filled: &'a Filled,
    phase: &'a Phase,
    name: String,
}

impl Hold<'_> {
    async fn run(&self) -> Result<Seen> {
        let mutations = self.phase.rate * self.phase.seconds;
        let began = tokio::time::Instant::now();
        let next = Arc::new(AtomicU64::new(0));
        let workspace = |number| self.filled.workspace_path(number * 17 % self.filled.workspaces());
        let paths: Arc<[String]> = (0..mutations).map(workspace).collect();
        let mut tasks = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = self.connect().await?;
            let (next, rate, name) = (Arc::clone(&next), self.phase.rate, self.name.clone());
            let paths = Arc::clone(&paths);
            tasks.push(tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(workspace) = usize::try_from(number).ok().and_then(|number| paths.get(number)) else {
                        return anyhow::Ok(());
                    };
                    sleep_until(began + Duration::from_secs(number) / u32::try_from(rate)?).await;
                    let name = format!("{name}-{number}");
                    let body = format!(r#"{{"name":"{name}","access":"read-write","apis":["*"]}}"#);
                    connection.post(&format!("{workspace}/keys"), &name, &body).await?.json(201)?;
                }
            }));
        }
        let watching = self.watch(began + Duration::from_secs(self.phase.seconds));
        let working = async {
            for task in tasks {
                task.await??;
            }
            anyhow::Ok(began.elapsed())
        };
        let (took, watched) = tokio::join!(working, watching);
        let (backlog, disable) = watched?;
        let (drained_after, calls) = (Duration::ZERO, Vec::new());
        Ok(Seen { mutations, took: took?, calls, drained_after, backlog, disable })
    }

    async fn connect(&self) -> Result<Connection> {
        let token = self.serving.admin.token().context("no token")?;
        Connection::open(self.serving.control_plane.listen, token).await
    }

    /// Looks at how publishing stands until `end`; disables a key half-way, where that is wanted.
    async fn watch(&self, end: tokio::time::Instant) -> Result<(Backlog, Option<Overtaking>)> {
        let half = tokio::time::Instant::now() + (end - tokio::time::Instant::now()) / 2;
        let disabling = async {
            if !self.phase.disable {
                return Ok(None);
            }
            sleep_until(half).await;
            self.overtake(&mut self.connect().await?).await.map(Some)
        };
        tokio::try_join!(self.look(half, end), disabling)
    }

    async fn look(&self, half: tokio::time::Instant, end: tokio::time::Instant) -> Result<Backlog> {
        let mut connection = self.connect().await?;
        let mut backlog = Backlog::default();
        while tokio::time::Instant::now() < end {
            let snapshot = connection.get("/v1/snapshot").await?.json(200)?;
            let number = |name: &str| snapshot[name].as_u64().with_context(|| format!("no {name}"));
            let waiting = as_f64(number("generation")? - number("published_generation")?);
            backlog.all.push(waiting);
            let half = usize::from(tokio::time::Instant::now() >= half);
            backlog.halves[half].push(waiting);
            sleep(LOOK_EVERY * 5).await;
        }
        Ok(backlog)
    }

    async fn overtake(&self, admin: &mut Connection) -> Result<Overtaking> {
        let heads = Heads::of(&self.serving.control_plane)?;
        let credential = std::fs::read_to_string(self.serving.control_plane.secret("edge-credential"))?;
        let mut lane = Connection::open(self.serving.control_plane.listen, credential.trim()).await?;
        let number = self.filled.population.keys / 3;
        let fingerprint = Fingerprint::from_bytes(self.filled.fingerprint(number)?);
        let sent = Instant::now();
        let path = format!("{}/disable", self.filled.key_path(number));
        let disabled = admin.post(&path, &format!("{}-disable", self.name), "{}").await?.json(200)?;
        let generation = disabled["generation"].as_u64().context("no generation")?;
        let mut disable = None;
        loop {
            let answer = lane.get("/v1/snapshot/head").await?;
            let head = heads.read(&answer.body)?;
            let carries = head.recent_entry(&fingerprint).is_some_and(|entry| entry.generation >= generation);
            if disable.is_none() && (carries || head.tree_generation >= generation) {
                disable = Some(sent.elapsed());
            }
            if let Some(disable) = disable.filter(|_| head.generation >= generation) {
                return Ok(Overtaking { disable, bulk: sent.elapsed() });
            }
            sleep(LOOK_EVERY / 4).await;
        }
    }
}
