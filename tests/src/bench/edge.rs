//! What judging costs at the edge: the shipped Worker beside one that answers a constant, both on plain
//! `workerd`, under the same load.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use xtask::build::edge::Variant;
use xtask::{build, setup, workspace};

use super::contest::{self, Contender};
use super::fixture::{self, EXPIRED_EVERY, Fixture};
use super::load::Load;
use super::store::Store;
use super::worker::Spec;
use super::{Report, Row, Scale, Target};

/// Many: on a shared machine a single round sways by a quarter.
const ROUNDS: usize = 30;
pub(super) const CONNECTIONS: u32 = 16;
/// Different keys that requests come with.
const KEYS_IN_USE: u64 = 10_000;
pub(super) const PING: &str = "/v1/ping";

/// Measures and reports.
pub(super) fn measure(_scale: Scale) -> Result<Report> {
    let entry = build::edge::entry(&setup::tools()?, Variant::default())?;
    let million = Arc::new(Fixture::new(1_000_000)?);
    let hundred = Arc::new(Fixture::new(100)?);
    let edge = |name: &str, fixture: &Arc<Fixture>, load: Load| {
        let store = store_of(fixture)?;
        Contender::worker(&Spec::edge(name, &entry, fixture::variables(), store.address()), load)
    };
    let constant = Spec::script("constant", workers("constant.mjs"));
    let mut contenders = [
        Contender::worker(&constant, live(&million, PING)?)?,
        edge("1,000,000 keys", &million, live(&million, PING)?)?,
        edge("100 keys", &hundred, live(&hundred, PING)?)?,
        edge("1,000,000 keys, 20 % refused", &million, mixed(&million)?)?.refusing(0.2),
    ];
    contest::hold(ROUNDS, &mut contenders)?;
    let [constant, million, hundred, refusing] = &contenders;
    let mut rows: Vec<_> = contenders.iter().flat_map(Contender::rows).collect();
    rows.push(share("1,000,000 keys to the constant", million, constant).target(Target::AtLeast(0.95)));
    rows.push(share("1,000,000 keys to 100", million, hundred).target(Target::AtLeast(0.95)));
    rows.push(share("20 % refused to none", refusing, million).target(Target::AtLeast(1.0)));
    let by_requests = million.a_second.over(&constant.a_second);
    rows.push(Row::of("1,000,000 keys to the constant, by requests a second", &by_requests, "×"));
    Ok(Report::new("edge", rows))
}

/// How many requests one serves in the processor time in which the other serves one.
pub(super) fn share(name: &str, of: &Contender, to: &Contender) -> Row {
    Row::of(name, &to.cost.over(&of.cost), "×")
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
pub(super) fn live(fixture: &Fixture, path: &str) -> Result<Load> {
    let keys = fixture.sample(KEYS_IN_USE);
    Load::new(CONNECTIONS, keys.into_iter().map(|number| (path, fixture::basic(&fixture::secret(number)))))
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
