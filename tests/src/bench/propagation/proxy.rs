//! The http lane with a caching proxy in front, nginx as docs/deploying.md has it: a head is kept for a second.

use std::time::Duration;

use anyhow::{Result, ensure};
use xtask::parts::ports;

use super::changes::{Change, Changes, rows};
use super::load::Load;
use super::times;
use crate::bench::Row;
use crate::bench::figures::as_f64;
use crate::cdn::{Cdn, Keeping};
use crate::{Fleet, FleetOptions, Lanes};

/// What the cache and the edges show the lane.
const TOKEN: &str = "lane-token-of-the-benchmarks-0123456789";
const HEAD: &str = "/v1/snapshot/head";

/// Some edges, all of them behind one cache.
pub(super) fn measure(edges: usize, count: u32) -> Result<Vec<Row>> {
    let options = FleetOptions::new(edges, Lanes::Http).setting("KEYWARD_LANE_TOKEN", TOKEN);
    let mut fleet = Fleet::start(&options.as_shipped())?;
    let folder = fleet.folder().join("cdn");
    let cdn = Cdn::start(&folder, ports::free()?, &fleet.control_plane().url(), Keeping::AsTold)?;
    let lane = cdn.lane();
    for edge in 0..edges {
        fleet.stop_edge(edge)?;
        fleet.start_edge(edge, &[("KEYWARD_LANE_URL", &lane), ("KEYWARD_LANE_TOKEN", TOKEN)])?;
    }
    let admin = fleet.admin()?;
    let steady = admin.key("steady")?;
    fleet.applied(steady.generation)?;
    let addresses: Vec<_> = fleet.edges().map(crate::Workerd::address).collect();
    eprintln!("Measuring the http lane behind nginx: {count} changes at {edges} edges");
    let before = cdn.asked()?.len();
    let load = Load::start(&addresses, &steady.secret)?;
    let changes = Changes {
        admin: &admin,
        workspace: &steady.workspace,
        edges: &addresses,
        count,
        at_once: 6,
        ask_every: Duration::from_millis(20),
    };
    let changed = changes.measure()?;
    let load = load.end()?;
    let polls: Vec<_> = cdn.asked()?.split_off(before).into_iter().filter(|asked| asked.path == HEAD).collect();
    let held = polls.iter().filter(|asked| asked.was_held).count();
    ensure!(held > 0, "nginx had no head to give: {} were asked for", polls.len());

    let at = format!("http lane, {edges} edges behind nginx");
    let first = |change: &Change| change.took.first().copied().unwrap_or_default();
    let mut all = rows(&format!("{at}, one of them"), &changed, first, [None, Some(3_000.0)]);
    all.extend(times(&format!("{at}, the slowest of them"), changed.iter().map(Change::slowest).collect(), [None; 2]));
    let share = 100.0 * as_f64(held as u64) / as_f64(polls.len() as u64);
    all.push(Row::new("the same: asks for the head that nginx answered by itself", share, "%"));
    all.extend(load.rows());
    Ok(all)
}
