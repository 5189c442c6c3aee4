//! The first request of a fresh isolate.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use xtask::build::edge::Variant;
use xtask::{build, setup};

use super::edge::{PING, store_of, workers};
use super::figures::{as_f64, milliseconds};
use super::fixture::{self, Fixture};
use super::worker::{Spec, Worker};
use super::{Report, Row, Samples, Scale, Target};
use crate::raw;

const STARTS: u64 = 10;
/// What every KV read is made to take where they are counted: about what a far read takes.
const KV_DELAY: Duration = Duration::from_millis(100);

/// The KV reads of a fresh isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// Until its first request is answered.
    pub first: u64,
    /// Of these, the most that had to wait for one another.
    pub in_a_row: u64,
    /// For the next request with the same key.
    pub next: u64,
}

/// Counts the KV reads of a fresh isolate among so many keys.
pub fn reads(keys: u64) -> Result<Reads> {
    let entry = build::edge::entry(&setup::tools()?, Variant::default())?;
    let store = store_of(&Arc::new(Fixture::new(keys)?))?;
    store.delay(KV_DELAY);
    let worker = Worker::listening(&Spec::edge("edge", &entry, fixture::variables(), store.address()))?;
    answer(&worker, 0)?;
    let (first, in_a_row) = (store.take_reads(), store.take_in_a_row());
    answer(&worker, 0)?;
    Ok(Reads { first, in_a_row, next: store.take_reads() })
}

/// Measures and reports.
pub(super) fn measure(_scale: Scale) -> Result<Report> {
    let entry = build::edge::entry(&setup::tools()?, Variant::default())?;
    let wasm = std::fs::read(entry.with_file_name("build").join("index_bg.wasm"))?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&wasm)?;
    let gzipped = f64::from(u32::try_from(gzip.finish()?.len())?) / 1000.0;
    let fixture = Arc::new(Fixture::new(1_000_000)?);
    let store = store_of(&fixture)?;
    let [mut first, mut first_constant] = [const { Samples::new() }; 2];
    eprintln!("Measuring, {STARTS} fresh isolates");
    for number in 0..STARTS {
        let edge = Spec::edge("edge", &entry, fixture::variables(), store.address());
        let constant = Spec::script("constant", workers("constant.mjs"));
        first_constant.push(milliseconds(first_answer(&constant, number)?));
        first.push(milliseconds(first_answer(&edge, number)?));
    }
    let reads = reads(1_000_000)?;
    let started = first.less(&first_constant);
    let rows = vec![
        Row::new("WebAssembly, gzipped", gzipped, "kB").target(Target::AtMost(150.0)),
        Row::of("first verified request of a fresh isolate", &first, "ms"),
        Row::of("the same of a Worker that answers a constant", &first_constant, "ms"),
        Row::of("start-up, KV reads and judging: the difference", &started, "ms").target(Target::AtMost(50.0)),
        Row::new("KV reads until then", as_f64(reads.first), ""),
        Row::new("KV reads in a row until then", as_f64(reads.in_a_row), "").target(Target::AtMost(3.0)),
    ];
    Ok(Report::new("cold", rows))
}

/// The time of the first request to a process that has just begun to listen.
fn first_answer(spec: &Spec<'_>, number: u64) -> Result<Duration> {
    answer(&Worker::listening(spec)?, number)
}

fn answer(worker: &Worker, number: u64) -> Result<Duration> {
    let credential = format!("Authorization: {}", fixture::basic(&fixture::secret(number)));
    let request = raw::request("GET", PING, &[credential]);
    let started = Instant::now();
    let answer = raw::send(worker.address(), &request)?;
    let time = started.elapsed();
    ensure!(answer.status == 200, "a request is answered with {}", answer.status);
    Ok(time)
}
