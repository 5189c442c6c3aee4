//! What the REST API does on SQLite with a million keys in the table: creations, reads, and a page far
//! into a long list against its first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::runtime::Runtime;
use xtask::build::native::{self, Profile};

use super::database::{Filled, Population};
use super::figures::{milliseconds, percentile};
use super::rest::Connection;
use super::rounds::alternate;
use super::serving::Serving;
use super::{Report, Row, Samples, Scale, Target};

/// Keys in workspaces of ten, and in one workspace.
const POPULATION: Population = Population { keys: 1_000_000, crowd: 200_000 };
const CONNECTIONS: [u64; 2] = [1, 16];
/// How long each figure is taken.
const LONG: Duration = Duration::from_secs(10);
const ROUNDS: usize = 10;
const LIMIT: u64 = 20;
const FAR_PAGE: u64 = 10_000;
/// Times that a page is asked for in one round.
const PAGES: u32 = 40;

/// Measures and reports.
pub(super) fn measure(_scale: Scale) -> Result<Report> {
    let program = native::keyward(Profile::Release)?;
    let filled = Arc::new(Filled::with(&program, POPULATION)?);
    let serving = Serving::start(&program, filled.copy()?, None, None)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rows = pages(&runtime, &serving, &filled)?;
    for kind in [Kind::Read, Kind::Create] {
        for connections in CONNECTIONS {
            eprintln!("Measuring {} over {connections} connections", kind.name());
            rows.extend(runtime.block_on(load(&serving, &filled, kind, connections))?);
        }
    }
    Ok(Report::new("control-plane", rows))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Create,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "reads of a key",
            Self::Create => "creations of a key",
        }
    }
}

async fn connect(serving: &Serving) -> Result<Connection> {
    Connection::open(serving.control_plane.listen, serving.admin.token().context("no token")?).await
}

/// As many calls as there can be over so many connections.
async fn load(serving: &Serving, filled: &Arc<Filled>, kind: Kind, connections: u64) -> Result<Vec<Row>> {
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let mut connection = connect(serving).await?;
        let (filled, next) = (Arc::clone(filled), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < LONG {
                let number = next.fetch_add(1, Ordering::Relaxed);
                // Far from one another, as callers ask.
                let chosen = number.wrapping_mul(7_919_777) % POPULATION.keys;
                let path = filled.key_path(chosen);
                let asked = Instant::now();
                match kind {
                    Kind::Read => drop(connection.get(&path).await?.json(200)?),
                    Kind::Create => {
                        let workspace = filled.workspace_path(chosen % (filled.workspaces() - 1));
                        let name = format!("made-{connections}-{number}");
                        let body = format!(r#"{{"name":"{name}","access":"read-write","apis":["*"]}}"#);
                        connection.post(&format!("{workspace}/keys"), &name, &body).await?.json(201)?;
                    }
                }
                times.push(asked.elapsed());
            }
            anyhow::Ok(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let took = began.elapsed();
    times.sort_unstable();
    let rate = f64::from(u32::try_from(times.len())?) / took.as_secs_f64();
    let name = format!("{}, {connections} connections", kind.name());
    let row = |percent| {
        let time = percentile(&times, percent);
        Row::new(format!("{name}: p{percent}"), milliseconds(time), "ms")
    };
    Ok(vec![Row::new(name.clone(), rate, "calls/s"), row(50), row(99)])
}

/// Page 1 and page 10,000 of the keys of one workspace, in turns.
fn pages(runtime: &Runtime, serving: &Serving, filled: &Filled) -> Result<Vec<Row>> {
    let mut connection = runtime.block_on(connect(serving))?;
    let first = format!("{}/keys?limit={LIMIT}", filled.crowd_path());
    eprintln!("Walking to page {FAR_PAGE} of a list");
    let far = runtime.block_on(walk(&mut connection, &first))?;
    let mut contenders = [(first, Samples::default()), (far, Samples::default())];
    alternate(ROUNDS, &mut contenders, |(page, samples)| {
        let began = Instant::now();
        for _ in 0..PAGES {
            runtime.block_on(connection.get(page))?.json(200)?;
        }
        samples.push(milliseconds(began.elapsed()) / f64::from(PAGES));
        Ok(())
    })?;
    let [(_, first), (_, far)] = &contenders;
    let ratio = far.over(first);
    Ok(vec![
        Row::of(format!("page 1 of a list, {LIMIT} keys each"), first, "ms"),
        Row::of(format!("page {FAR_PAGE} of the list"), far, "ms"),
        Row::of(format!("page {FAR_PAGE} over page 1"), &ratio, "times").target(Target::AtMost(1.5)),
    ])
}

/// Follows the cursors to the far page; the path that gives it.
async fn walk(connection: &mut Connection, first: &str) -> Result<String> {
    let mut far = first.to_owned();
    for _ in 1..FAR_PAGE {
        let page = connection.get(&far).await?.json(200)?;
        let cursor = page["next_cursor"].as_str().context("the list ends too soon")?;
        far = format!("{first}&cursor={cursor}");
    }
    let last = connection.get(&far).await?.json(200)?;
    ensure!(last["items"].as_array().is_some_and(|items| items.len() as u64 == LIMIT), "page {FAR_PAGE} is not whole");
    Ok(far)
}
