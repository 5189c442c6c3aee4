//! What an isolate takes of its memory, and how it serves when not all keys fit.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand_distr::{Distribution as _, Zipf};
use xtask::build::edge::Variant;
use xtask::{build, setup};

use super::edge::{CONNECTIONS, PING, store_of};
use super::figures::as_f64;
use super::fixture::{self, Fixture};
use super::load::Load;
use super::store::Store;
use super::worker::{Spec, Worker};
use super::{Report, Row, Scale, Target};

/// Keys asked for until every leaf of a million keys is held.
const TOUCHED: u64 = 100_000;
const TOUCH: Duration = Duration::from_secs(20);
const RUN: Duration = Duration::from_secs(10);
/// Requests of one round of use, drawn anew from all keys.
const DRAWN: usize = 200_000;
/// One key in a hundred takes half of all requests, as use of many things is distributed.
const EXPONENT: f64 = 1.0;
const MIB: f64 = 1024.0 * 1024.0;

/// Measures and reports.
pub(super) fn measure(scale: Scale) -> Result<Report> {
    let million = Arc::new(Fixture::new(1_000_000)?);
    let mut rows = all_held(&million)?;
    // A quarter of what all would take.
    rows.extend(too_many("1,000,000 keys, cache of 16 MiB", &million, 16 << 20)?);
    drop(million);
    if scale.full {
        let ten_million = Arc::new(Fixture::new(10_000_000)?);
        rows.extend(too_many("10,000,000 keys, cache of 64 MiB", &ten_million, 64 << 20)?);
    }
    Ok(Report::new("memory", rows))
}

fn edge(store: &Store, cache_bytes: u64) -> Result<Worker> {
    let entry = build::edge::entry(&setup::tools()?, Variant::default())?;
    let mut variables = fixture::variables();
    variables.push(("KEYWARD_CACHE_BYTES", cache_bytes.to_string()));
    Worker::start(&Spec { inspected: true, ..Spec::edge("edge", &entry, variables, store.address()) })
}

/// A million keys within the cache's default.
fn all_held(fixture: &Arc<Fixture>) -> Result<Vec<Row>> {
    let store = store_of(fixture)?;
    let edge = edge(&store, 64 << 20)?;
    let keys = fixture.sample(TOUCHED).into_iter();
    let load = Load::new(CONNECTIONS, keys.map(|number| (PING, fixture::basic(&fixture::secret(number)))))?;
    eprintln!("Measuring: 1,000,000 keys, all held");
    load.run(edge.address(), TOUCH)?.all_passed()?;
    store.take_reads();
    load.run(edge.address(), TOUCH)?.all_passed()?;
    let reads = store.take_reads();
    let heap = edge.heap()?;
    let status = edge.status()?;
    let bytes = |name: &str| status["memory"][name].as_u64().map(mib).with_context(|| format!("no {name}"));
    let (wasm, cache) = (bytes("wasm_bytes")?, bytes("cache_bytes")?);
    let both = |when: &str, heap: u64| {
        Row::new(format!("1,000,000 keys held: WebAssembly and JavaScript heap, {when}"), wasm + mib(heap), "MiB")
    };
    // The head is read every 31 s whether or not anything is asked.
    let target = |bound| Target::AtMost(bound);
    Ok(vec![
        Row::new("1,000,000 keys held: WebAssembly", wasm, "MiB").target(target(80e6 / MIB)),
        both("after a collection", heap.collected).target(target(110e6 / MIB)),
        both("before a collection", heap.uncollected).target(target(110e6 / MIB)),
        Row::new("1,000,000 keys held: objects", cache, "MiB").target(target(64.0)),
        Row::new("1,000,000 keys held: KV reads while all are used again", as_f64(reads), "").target(target(2.0)),
    ])
}

/// More keys than the cache holds, used as keys are used, then beside a flood of keys that nobody has.
fn too_many(name: &str, fixture: &Arc<Fixture>, cache_bytes: u64) -> Result<Vec<Row>> {
    let store = store_of(fixture)?;
    let edge = edge(&store, cache_bytes)?;
    let mut rng = StdRng::seed_from_u64(1);
    let use_of_keys = drawn(fixture, &mut rng)?;
    let flood =
        Load::new(CONNECTIONS, (0..DRAWN as u64).map(|number| (PING, fixture::basic(&fixture::unknown(number)))))?;
    eprintln!("Measuring: {name}");
    use_of_keys.run(edge.address(), TOUCH)?.all_passed()?;
    store.take_reads();
    let used = use_of_keys.run(edge.address(), RUN)?;
    let reads = store.take_reads();
    let reads_a_request = as_f64(reads) / as_f64(used.requests);
    let mut rows = vec![
        Row::new(format!("{name}: requests a second"), used.a_second(), "1/s"),
        Row::new(format!("{name}: KV reads a request"), reads_a_request, ""),
        // Requests that await one read together are hits but for the first; the nodes are always held.
        Row::new(format!("{name}: hit ratio of the cache, 1 less those"), 1.0 - reads_a_request, ""),
        Row::new(format!("{name}: p99"), used.p99_ms(), "ms"),
        Row::new(format!("{name}: good requests refused"), as_f64(used.lost()), "").target(Target::AtMost(0.0)),
    ];
    let flooding = flood.start(edge.address(), RUN)?;
    let beside = use_of_keys.run(edge.address(), RUN)?;
    let flooded = flooding.finish()?;
    eprintln!("  beside the flood: {beside:?}");
    ensure!(flooded.failed == 0 && flooded.refused == flooded.requests, "unknown keys were not refused: {flooded:?}");
    let reads = store.take_reads();
    let status = edge.status()?;
    let cached = status["memory"]["cache_bytes"].as_u64().map(mib).context("no cache_bytes")?;
    rows.extend([
        Row::new(format!("{name}, flood: unknown keys a second"), flooded.a_second(), "1/s"),
        Row::new(format!("{name}, flood: good requests a second"), beside.a_second(), "1/s"),
        Row::new(format!("{name}, flood: KV reads a second"), as_f64(reads) / RUN.as_secs_f64(), "1/s"),
        Row::new(format!("{name}, flood: good requests, p99"), beside.p99_ms(), "ms"),
        Row::new(format!("{name}, flood: good requests refused"), as_f64(beside.lost()), "")
            .target(Target::AtMost(0.0)),
        Row::new(format!("{name}, flood: objects held"), cached, "MiB")
            .target(Target::AtMost(as_f64(cache_bytes) / MIB)),
    ]);
    Ok(rows)
}

/// Requests whose keys follow Zipf's law over all of them.
fn drawn(fixture: &Fixture, rng: &mut StdRng) -> Result<Load> {
    let zipf = Zipf::new(as_f64(fixture.keys()), EXPONENT)?;
    let requests = (0..DRAWN).map(|_| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank from 1 up")]
        let rank = zipf.sample(rng) as u64 - 1;
        let number = rank - u64::from(fixture::is_expired(rank));
        (PING, fixture::basic(&fixture::secret(number)))
    });
    Load::new(CONNECTIONS, requests)
}

fn mib(bytes: u64) -> f64 {
    as_f64(bytes) / MIB
}
