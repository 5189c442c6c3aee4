//! Growth under load: keys are added until the tree is deepened, and what good requests see of it.
//!
//! The control plane is a process on a database of its own that writes to a KV of ours, where a read
//! takes as long as one from far away; an edge on plain `workerd` reads from it and is asked all the
//! time. The keys are added as rows, as an import over REST writes them. Times are shorter than where
//! all is left as it is, which the report says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use keyward_shared::snapshot::Head;
use serde_json::json;
use xtask::build::edge::Variant;
use xtask::build::native::{self, Profile};
use xtask::{build, setup};

use super::database::{self, Filled, Population};
use super::edge::PING;
use super::figures::as_f64;
use super::load::{Load, Outcome};
use super::serving::Serving;
use super::sink::{Sink, Values, lock};
use super::store::Store;
use super::worker::{Spec, Worker};
use super::{Report, Row, Samples, Scale, Target, fixture};
use crate::heads::Heads;
use crate::workerd;

/// Keys before, and keys that are added: leaves grow to three times their size, and beyond what they
/// may, so that the tree becomes two levels deeper.
const KEYS: u64 = 100_000;
const ADDED: u64 = 200_000;
/// Different keys that are asked with, and connections that ask: far more leaves are wanted at once than
/// may be loaded at once.
const KEYS_IN_USE: u64 = 20_000;
const CONNECTIONS: u32 = 64;
/// How long a read from KV takes.
const KV_DELAY: Duration = Duration::from_millis(80);
/// Of load without a look at anything else.
const SLICE: Duration = Duration::from_secs(3);
/// Slices before anything happens, and after all of it.
const QUIET_SLICES: usize = 4;
/// Slices of which one at least holds the edge's switch: it hears of the head in 5 s at the latest.
const SWITCH_SLICES: usize = 4;
/// When growth is called lost.
const PATIENCE: Duration = Duration::from_mins(3);
/// Between two creations over REST, which the publisher hears of as it does not of rows.
const CREATE_EVERY: Duration = Duration::from_millis(250);
/// Instead of 150 and 31.
const WARM_UP_SECONDS: &str = "40";
const REFRESH_SECONDS: &str = "5";

/// Measures and reports.
pub(super) fn measure(_scale: Scale) -> Result<Report> {
    let program = native::keyward(Profile::Release)?;
    let entry = build::edge::entry(&setup::tools()?, Variant::default())?;
    let filled = Filled::with(&program, Population::of(KEYS))?;
    let (sink, values) = Sink::keeping()?;
    let settings = [("KEYWARD_WARM_UP_SECONDS", WARM_UP_SECONDS)];
    let serving = Serving::start_with(&program, filled.copy()?, Some(sink.address()), None, &settings)?;
    let read = Arc::clone(&values);
    let store = Store::start(move |key| lock(&read).get(key).cloned())?;
    let kv = Kv { heads: Heads::of(&serving.control_plane)?, values };
    super::serving::until(PATIENCE, || kv.head().map(drop))?;

    let mut variables = workerd::secrets(&serving.control_plane.secret("edge.env"))?;
    variables.insert("KEYWARD_KV_REFRESH_SECONDS".to_owned(), REFRESH_SECONDS.to_owned());
    let spec = Spec::edge(
        "edge",
        &entry,
        variables.iter().map(|(name, value)| (name.as_str(), value.clone())).collect(),
        store.address(),
    );
    let worker = Worker::start(&spec)?;
    let keys = (0..KEYS_IN_USE).map(|number| database::key(number * (KEYS / KEYS_IN_USE)));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    let load = Load::new(CONNECTIONS, keys.iter().map(|key| (PING, fixture::basic(key.expose()))))?;
    store.delay(KV_DELAY);
    load.run(worker.address(), SLICE)?;
    load.run(worker.address(), SLICE)?;
    store.take_reads();
    let asked = Asked { worker: &worker, load: &load, store: &store };

    let before = asked.slices(QUIET_SLICES, "before")?;
    let depth = kv.head()?.tree.shape.depth();
    let mut growing = Growing { kv: &kv, asked: &asked, depth, slices: Phases::default() };
    let began = Instant::now();
    growing.while_adding(&serving, &filled)?;
    let seconds = began.elapsed().as_secs_f64();
    growing.until("warming", || kv.head().is_ok_and(|head| growing_is_over(&head, depth)))?;
    let Phases { adding, warming, mut switched } = growing.slices;
    ensure!(!warming.is_empty(), "no head named a deeper tree to be warmed");
    switched.extend(asked.slices(SWITCH_SLICES, "switch")?);
    serving.settled()?;
    let after = asked.slices(QUIET_SLICES, "after")?;

    let new_depth = kv.head()?.tree.shape.depth();
    ensure!(new_depth > depth, "the tree of {new_depth} bits is no deeper than before");
    let mut rows = vec![
        Row::new(format!("{}k keys added, as rows", ADDED / 1000), seconds, "s"),
        Row::new("depth of the tree before", f64::from(depth), "bits"),
        Row::new("depth of the tree after", f64::from(new_depth), "bits"),
    ];
    for (phase, slices) in [
        ("before", before),
        ("while keys are added, no deeper tree named yet", adding),
        ("while edges warm the deeper tree, keys added meanwhile too", warming),
        ("from the switch on", switched),
        ("after", after),
    ] {
        ensure!(!slices.is_empty(), "there was no time {phase}");
        rows.extend(rows_of(phase, &slices));
    }
    let note = format!(
        "The keys are written to the database as rows, a thousand in a transaction, not sent over REST. The edge asks \
         for heads every {REFRESH_SECONDS} s\ninstead of 31, and edges have {WARM_UP_SECONDS} s to warm the deeper \
         tree instead of 150."
    );
    Ok(Report { note: Some(note), ..Report::new("growth", rows) })
}

fn growing_is_over(head: &Head, depth: u8) -> bool {
    head.next.is_none() && head.tree.shape.depth() > depth
}

/// Creates a key now and then until it is said that all is done, and once more then.
fn create(serving: &Serving, filled: &Filled, done: &AtomicBool) -> Result<()> {
    let path = format!("{}/keys", filled.workspace_path(0));
    for number in 0.. {
        let was_done = done.load(Ordering::Relaxed);
        let name = format!("Created meanwhile {number}");
        let key = json!({"name": name, "access": "read-write", "apis": ["*"]});
        serving.admin.post(&path, &key)?.must_be(201)?;
        if was_done {
            break;
        }
        thread::sleep(CREATE_EVERY);
    }
    Ok(())
}

/// What was written to KV.
struct Kv {
    heads: Heads,
    values: Values,
}

impl Kv {
    fn head(&self) -> Result<Head> {
        let bytes = lock(&self.values).get("head").cloned().context("no head in KV")?;
        self.heads.read(&bytes)
    }
}

/// An edge under load.
struct Asked<'a> {
    worker: &'a Worker,
    load: &'a Load,
    store: &'a Store,
}

/// What one slice of load came to.
struct Slice {
    outcome: Outcome,
    reads: u64,
}

impl Asked<'_> {
    fn slice(&self, phase: &str) -> Result<Slice> {
        let outcome = self.load.run(self.worker.address(), SLICE)?;
        let reads = self.store.take_reads();
        eprintln!("  {phase}: {reads} reads, {outcome:?}");
        Ok(Slice { outcome, reads })
    }

    fn slices(&self, count: usize, phase: &str) -> Result<Vec<Slice>> {
        (0..count).map(|_| self.slice(phase)).collect()
    }
}

struct Growing<'a> {
    kv: &'a Kv,
    asked: &'a Asked<'a>,
    depth: u8,
    slices: Phases,
}

/// Slices by what the heads said meanwhile.
#[derive(Default)]
struct Phases {
    /// No deeper tree was named yet.
    adding: Vec<Slice>,
    /// One was named as the next, at the slice's beginning or end.
    warming: Vec<Slice>,
    /// It had taken the running one's place.
    switched: Vec<Slice>,
}

impl Growing<'_> {
    /// Load while keys are added.
    fn while_adding(&mut self, serving: &Serving, filled: &Filled) -> Result<()> {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let adder = scope.spawn(|| {
                let added = filled.import(&serving.database, ADDED);
                done.store(true, Ordering::Relaxed);
                added
            });
            let creator = scope.spawn(|| create(serving, filled, &done));
            let loaded = self.until("adding", || done.load(Ordering::Relaxed));
            adder.join().map_err(|_| anyhow!("what adds keys panicked"))??;
            creator.join().map_err(|_| anyhow!("the creator panicked"))??;
            loaded
        })
    }

    /// Load until something is over, and one slice at least.
    fn until(&mut self, phase: &str, is_over: impl Fn() -> bool) -> Result<()> {
        let began = Instant::now();
        loop {
            let named_before = self.kv.head()?.next.is_some();
            let slice = self.asked.slice(phase)?;
            let head = self.kv.head()?;
            let of_its_phase = if named_before || head.next.is_some() {
                &mut self.slices.warming
            } else if head.tree.shape.depth() > self.depth {
                &mut self.slices.switched
            } else {
                &mut self.slices.adding
            };
            of_its_phase.push(slice);
            let next = head.next.map(|next| next.shape.depth());
            eprintln!(
                "  generation {}, {} bits, next {next:?}, from {}",
                head.generation,
                head.tree.shape.depth(),
                self.depth
            );
            if is_over() {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "{phase} is not over");
        }
    }
}

fn rows_of(phase: &str, slices: &[Slice]) -> Vec<Row> {
    let sum = |of: fn(&Slice) -> u64| as_f64(slices.iter().map(of).sum());
    let requests = sum(|slice| slice.outcome.requests);
    let refused = sum(|slice| slice.outcome.lost());
    let mut p99 = Samples::default();
    for slice in slices {
        p99.push(slice.outcome.p99_ms());
    }
    vec![
        Row::new(format!("{phase}: good requests"), requests, "requests"),
        Row::new(format!("{phase}: good requests refused"), refused, "requests").target(Target::AtMost(0.0)),
        Row::new(
            format!("{phase}: KV reads a thousand requests"),
            sum(|slice| slice.reads) * 1000.0 / requests,
            "reads",
        ),
        Row::of(format!("{phase}: p99 of {CONNECTIONS} connections"), &p99, "ms"),
    ]
}
