//! What forwarding through the edge costs beside Workers that forward and judge nothing.

use std::sync::Arc;

use anyhow::Result;
use xtask::build::edge::Variant;
use xtask::{build, setup};

use super::contest::{self, Contender};
use super::edge::{live, share, store_of, workers};
use super::fixture::{self, Fixture};
use super::worker::Spec;
use super::{Report, Scale, Target, origin};

const ROUNDS: usize = 12;
/// Of the first API, which every key may call, to read at least.
const PATH: &str = "/v1/data/17";
const ORIGIN_SECRET: &str = "a-secret-that-edge-and-origin-share-0123456789";
const ASSERTION_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

/// Measures and reports.
pub(super) fn measure(_scale: Scale) -> Result<Report> {
    let entry = build::edge::entry(&setup::tools()?, Variant::default())?;
    let fixture = Arc::new(Fixture::new(1_000_000)?);
    let store = store_of(&fixture)?;
    let origin = format!("http://{}", origin::start()?);
    let edge = |name: &str, further: &[(&'static str, &str)]| {
        let mut variables = fixture::variables();
        variables.push(("KEYWARD_ORIGIN", origin.clone()));
        variables.extend(further.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Contender::worker(&Spec::edge(name, &entry, variables, store.address()), live(&fixture, PATH)?)
    };
    let yardstick = |name: &str, bare: &str| {
        let mut spec = Spec::script(name, workers("gateway.mjs"));
        spec.variables = vec![("KEYWARD_ORIGIN", origin.clone()), ("BARE", bare.to_owned())];
        Contender::worker(&spec, live(&fixture, PATH)?)
    };
    let secret = ("KEYWARD_ORIGIN_SECRET", ORIGIN_SECRET);
    let mut contenders = [
        yardstick("a bare fetch", "true")?,
        yardstick("constant headers", "false")?,
        edge("edge, hs256", &[secret])?,
        edge("edge, eddsa", &[("KEYWARD_ASSERTION", "eddsa"), ("KEYWARD_ASSERTION_KEY", ASSERTION_KEY)])?,
        edge("edge, no assertion", &[])?,
    ];
    contest::hold(ROUNDS, &mut contenders)?;
    let [bare, constant, hs256, eddsa, off] = &contenders;
    let mut rows: Vec<_> = contenders.iter().flat_map(Contender::rows).collect();
    rows.push(share("hs256 to constant headers", hs256, constant).target(Target::AtLeast(0.95)));
    rows.push(share("eddsa to constant headers", eddsa, constant));
    rows.push(share("no assertion to constant headers", off, constant));
    rows.push(share("constant headers to a bare fetch", constant, bare));
    rows.push(share("hs256 to a bare fetch", hs256, bare));
    Ok(Report::new("gateway", rows))
}
