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
use super::fixture::{self, Fixture};
use super::worker::{Spec, Worker};
use super::{Report, Row, Samples, Scale, Target};
use crate::raw;

const STARTS: u64 = 10;
/// What every KV read is made to take, so that those in a row can be counted by the clock.
const KV_DELAY: Duration = Duration::from_millis(100);

/// Measures and reports.
pub(super) fn measure(_scale: Scale) -> Result<Report> {
    let entry = build::edge::entry(&setup::tools()?, Variant::default())?;
    let wasm = std::fs::read(entry.with_file_name("build").join("index_bg.wasm"))?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&wasm)?;
    let gzipped = f64::from(u32::try_from(gzip.finish()?.len())?) / 1000.0;
    let fixture = Arc::new(Fixture::new(1_000_000)?);
    let store = store_of(&fixture)?;
    let [mut first, mut first_constant, mut reads, mut in_a_row] = [const { Samples::new() }; 4];
    eprintln!("Measuring, {STARTS} fresh isolates");
    for number in 0..STARTS {
        let edge = Spec::edge("edge", &entry, fixture::variables(), store.address());
        let constant = Spec::script("constant", workers("constant.mjs"));
        store.delay(Duration::ZERO);
        first_constant.push(first_answer(&constant, number)?.as_secs_f64() * 1000.0);
        first.push(first_answer(&edge, number)?.as_secs_f64() * 1000.0);
        store.delay(KV_DELAY);
        store.take_reads();
        let slow = first_answer(&edge, number)?;
        reads.push(f64::from(u32::try_from(store.take_reads())?));
        in_a_row.push((slow.as_secs_f64() / KV_DELAY.as_secs_f64()).floor());
    }
    let started = first.less(&first_constant);
    let rows = vec![
        Row::new("WebAssembly, gzipped", gzipped, "kB").target(Target::AtMost(150.0)),
        Row::of("first verified request of a fresh isolate", &first, "ms"),
        Row::of("the same of a Worker that answers a constant", &first_constant, "ms"),
        Row::of("start-up, KV reads and judging: the difference", &started, "ms").target(Target::AtMost(50.0)),
        Row::of("KV reads until then", &reads, ""),
        Row::of("KV reads in a row until then", &in_a_row, "").target(Target::AtMost(3.0)),
    ];
    Ok(Report::new("cold", rows))
}

/// The time of the first request to a process that has just begun to listen.
fn first_answer(spec: &Spec<'_>, number: u64) -> Result<Duration> {
    let worker = Worker::listening(spec)?;
    let credential = format!("Authorization: {}", fixture::basic(&fixture::secret(number)));
    let request = raw::request("GET", PING, &[credential]);
    let started = Instant::now();
    let answer = raw::send(worker.address(), &request)?;
    let time = started.elapsed();
    ensure!(answer.status == 200, "the first request is answered with {}", answer.status);
    Ok(time)
}
