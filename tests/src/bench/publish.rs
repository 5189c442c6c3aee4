//! What publishing costs: the first build from the database, one mutation, and a thousand a second.
//!
//! The control plane is a process on its first core; the KV that it writes to is a sink of our own.

mod sustained;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use xtask::build::native::{self, Profile};

use super::database::{Filled, Population};
use super::figures::as_f64;
use super::serving::{Serving, until};
use super::sink::{Call, Sink};
use super::{Chart, Line, Report, Row, Scale, Target};
use crate::heads::Heads;
use crate::stack::generation;

const KIB: f64 = 1024.0;
/// The core that a build has to itself.
const CORE: u8 = 0;
/// How long an upload may take, and the tree's share of a change.
const PATIENCE: Duration = Duration::from_mins(10);
const MILLION: u64 = 1_000_000;

/// Measures and reports.
pub(super) fn measure(scale: Scale) -> Result<Report> {
    let program = native::keyward(Profile::Release)?;
    let (mut rows, mut head_only, mut share) = (Vec::new(), Vec::new(), Vec::new());
    for keys in [10_000, 100_000, MILLION, 10 * MILLION] {
        if keys <= MILLION || scale.full {
            let (found, mutation) = build_and_one_mutation(&program, keys)?;
            rows.extend(told(found));
            head_only.push((as_f64(keys), mutation.head_only));
            share.push((as_f64(keys), mutation.share));
        }
    }
    rows.extend(sustained::rows(&program, &Filled::with(&program, Population::of(MILLION))?)?);
    let lines = vec![
        Line { name: "its share of the tree, with the head that names it".to_owned(), points: share },
        Line { name: "the head that says it first".to_owned(), points: head_only },
    ];
    let chart = Chart { name: "publish", title: "What one mutation writes to Workers KV", upwards: "KiB", lines };
    Ok(Report { charts: vec![chart], ..Report::new("publish", rows) })
}

/// What one mutation wrote, in KiB.
struct Mutation {
    head_only: f64,
    share: f64,
}

/// What was found so far, for those who wait for the rest.
fn told(rows: Vec<Row>) -> Vec<Row> {
    for row in &rows {
        eprintln!("  {}: {:.1} {}", row.row, row.value, row.unit);
    }
    rows
}

fn build_and_one_mutation(program: &Path, keys: u64) -> Result<(Vec<Row>, Mutation)> {
    let filled = Filled::with(program, Population::of(keys))?;
    let sink = Sink::start()?;
    eprintln!("Measuring a full build of {keys} keys");
    let serving = Serving::start(program, filled.copy()?, Some(sink.address()), Some(CORE))?;
    let began = Instant::now();
    until(PATIENCE, || {
        ensure!(sink.calls_after(0).iter().any(|call| call.head.is_some()), "no head in KV");
        Ok(())
    })?;
    let uploaded = began.elapsed();
    let size = short(keys);
    let (seconds, mebibytes) = (serving.first_head_after.as_secs_f64(), serving.peak_memory_mib()?);
    let mut built = Row::new(format!("{size} keys: start to first head, one core"), seconds, "s");
    let mut memory = Row::new(format!("{size} keys: peak memory, upload included"), mebibytes, "MiB");
    match keys {
        MILLION => built = built.target(Target::AtMost(10.0)),
        10_000_000 => {
            built = built.target(Target::AtMost(120.0));
            memory = memory.target(Target::AtMost(512.0));
        }
        _ => {}
    }
    let upload = Row::new(format!("{size} keys: first head to all of it in KV"), uploaded.as_secs_f64(), "s");
    let mut rows = vec![built, upload, memory];
    let mutation = one_mutation(&serving, &sink, &filled)?;
    let row = |what: &str, kibibytes: f64, most: f64| {
        Row::new(format!("{size} keys: {what}"), kibibytes, "KiB").target(Target::AtMost(most))
    };
    rows.push(row("one mutation alone, head only", mutation.head_only, 64.0));
    rows.push(row("one mutation alone, its share of the tree and the head that names it", mutation.share, 128.0));
    Ok((rows, mutation))
}

/// Disables one key, right after a full build, so that the head names no other change: what its head takes, and what the tree's share takes.
fn one_mutation(serving: &Serving, sink: &Sink, filled: &Filled) -> Result<Mutation> {
    let heads = Heads::of(&serving.control_plane)?;
    serving.settled()?;
    let seen = sink.count();
    let path = format!("{}/disable", filled.key_path(filled.population.keys / 2));
    let disabled = serving.admin.post(&path, &json!({}))?.must_be(200)?.json()?;
    let generation = generation(&disabled)?;
    // The head that says it first, then the head whose tree holds it.
    let mut wrote: Option<(usize, usize)> = None;
    until(PATIENCE, || {
        wrote = None;
        let (mut first, mut tree) = (None, None);
        for (number, call) in sink.calls_after(seen).iter().enumerate() {
            let Some(bytes) = &call.head else { continue };
            let head = heads.read(bytes)?;
            first = first.or((head.generation >= generation).then_some(number));
            tree = tree.or((head.tree_generation >= generation).then_some(number));
        }
        wrote = Some((first.context("no head with the change")?, tree.context("the tree lacks the change")?));
        Ok(())
    })?;
    let (first, tree) = wrote.context("no head")?;
    let calls = sink.calls_after(seen);
    let head_only: u64 = calls[..=first].iter().map(Call::bytes).sum();
    let share = calls[first + 1..=tree].iter().map(Call::objects_bytes).sum::<u64>()
        + calls[tree].head.as_ref().map_or(0, Vec::len) as u64;
    Ok(Mutation { head_only: as_f64(head_only) / KIB, share: as_f64(share) / KIB })
}

fn short(keys: u64) -> String {
    if keys >= MILLION { format!("{}M", keys / MILLION) } else { format!("{}k", keys / 1000) }
}
