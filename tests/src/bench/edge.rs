//! What judging costs at the edge: the shipped Worker beside one that answers a constant, both on plain
//! `workerd`, under the same load.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use xtask::build::edge::Variant;
use xtask::{build, setup, workspace};

use super::fixture::{self, EXPIRED_EVERY, Fixture};
use super::load::Load;
use super::rounds::alternate;
use super::store::Store;
use super::worker::{Spec, Worker};
use super::{Report, Row, Samples, Scale, Target};

const ROUNDS: usize = 12;
const ROUND: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_secs(4);
const CONNECTIONS: u32 = 16;
/// Different keys that requests come with.
const KEYS_IN_USE: u64 = 10_000;
const PING: &str = "/v1/ping";

/// One contender: a Worker and what it is asked.
struct Contender {
    worker: Worker,
    load: Load,
    refused: f64,
    a_second: Samples,
}

/// Measures and reports.
pub(super) fn measure(_scale: Scale) -> Result<Report> {
    let entry = build::edge::entry(&setup::tools()?, Variant::default())?;
    let million = Arc::new(Fixture::new(1_000_000)?);
    let hundred = Arc::new(Fixture::new(100)?);
    let edge = |name: &str, fixture: &Arc<Fixture>, load: Load, refused: f64| -> Result<Contender> {
        let store = store_of(fixture)?;
        let worker = Worker::start(&Spec::edge(name, &entry, fixture::variables(), store.address()))?;
        Ok(Contender { worker, load, refused, a_second: Samples::default() })
    };
    let constant = Worker::start(&Spec::script("constant", workers("constant.mjs")))?;
    let mut contenders = [
        Contender { worker: constant, load: live(&million)?, refused: 0.0, a_second: Samples::default() },
        edge("1,000,000 keys", &million, live(&million)?, 0.0)?,
        edge("100 keys", &hundred, live(&hundred)?, 0.0)?,
        edge("1,000,000 keys, 20 % refused", &million, mixed(&million)?, 0.2)?,
    ];
    for contender in &mut contenders {
        contender.load.run(contender.worker.address(), WARM_UP)?;
    }
    eprintln!("Measuring, {ROUNDS} rounds of {} contenders", contenders.len());
    let times = alternate(ROUNDS, &mut contenders, turn)?;
    let mut rows = Vec::new();
    for (contender, times) in contenders.iter().zip(&times) {
        let name = &contender.worker.name;
        rows.push(Row::of(format!("{name}: processor time a request"), times, "µs"));
        rows.push(Row::of(format!("{name}: requests a second"), &contender.a_second, "1/s"));
    }
    let [constant, million, hundred, refusing] = times.as_slice() else { anyhow::bail!("a contender is missing") };
    let share = |name: &str, of: &Samples, over: &Samples, target| {
        Row::of(name, &over.over(of), "×").target(Target::AtLeast(target))
    };
    rows.push(share("edge with 1,000,000 keys over the constant, by processor time", million, constant, 0.95));
    rows.push(share("1,000,000 keys over 100", million, hundred, 0.95));
    rows.push(share("20 % refused over none", refusing, million, 1.0));
    let [constant, million, ..] = &contenders;
    rows.push(Row::of(
        "edge with 1,000,000 keys over the constant, by requests a second",
        &million.a_second.over(&constant.a_second),
        "×",
    ));
    Ok(Report { name: "edge", rows })
}

/// Processor time of a request, in microseconds.
fn turn(contender: &mut Contender) -> Result<f64> {
    let before = contender.worker.processor_time()?;
    let outcome = contender.load.run(contender.worker.address(), ROUND)?;
    let used = contender.worker.processor_time()? - before;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (requests, refused) = (outcome.requests as f64, outcome.refused as f64);
    ensure!(outcome.failed == 0, "{}: {outcome:?}", contender.worker.name);
    ensure!(
        (refused / requests - contender.refused).abs() < 0.02,
        "{}: refused {refused} of {requests}",
        contender.worker.name
    );
    contender.a_second.push(outcome.a_second());
    Ok(used.as_secs_f64() * 1e6 / requests)
}

/// Serves a snapshot as Workers KV would.
pub(super) fn store_of(fixture: &Arc<Fixture>) -> Result<Store> {
    let fixture = Arc::clone(fixture);
    Store::start(move |key| fixture.value(key).map(<[u8]>::to_vec))
}

/// A Worker that benchmarks compare with.
pub(super) fn workers(name: &str) -> PathBuf {
    workspace::root().join("tests/workers").join(name)
}

/// Usable keys in random order.
fn live(fixture: &Fixture) -> Result<Load> {
    let keys = fixture.sample(KEYS_IN_USE);
    Load::new(CONNECTIONS, keys.into_iter().map(|number| (PING, fixture::basic(&fixture::secret(number)))))
}

/// Every fifth request is to be refused: unknown, expired, malformed, or with a typing error.
fn mixed(fixture: &Fixture) -> Result<Load> {
    let numbered = fixture.sample(KEYS_IN_USE).into_iter().zip(0..);
    Load::new(
        CONNECTIONS,
        numbered.map(|(number, at)| {
            let secret = fixture::secret(number);
            let expired = number / EXPIRED_EVERY * EXPIRED_EVERY + EXPIRED_EVERY - 1;
            let credential = match at % 20 {
                4 => fixture::basic(&fixture::unknown(number)),
                9 => fixture::basic(&fixture::secret(expired)),
                14 => "Basic !".to_owned(),
                19 => fixture::basic(&format!("{}x", &secret[..secret.len() - 1])),
                _ => fixture::basic(&secret),
            };
            (PING, credential)
        }),
    )
}
