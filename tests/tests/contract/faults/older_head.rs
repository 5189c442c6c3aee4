//! KV shows an edge a head that is older than the one it has: it keeps the newer, and tells of it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use keyward_tests::fake_kv::{Fault, When};
use keyward_tests::stack::generation;
use keyward_tests::{Fleet, FleetOptions, Lanes};
use serde_json::json;

use crate::Test;
use crate::edges::heard;
use crate::turns::fleet;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::alone("an_older_head_read_after_a_newer_one_is_ignored_and_told_of", || {
        fleet(&FleetOptions::new(2, Lanes::Kv).variable("KEYWARD_KV_REFRESH_SECONDS", "1"), older)
    })]
}

fn older(fleet: &mut Fleet) -> Result<()> {
    let admin = fleet.admin()?;
    let key = admin.key("older")?;
    let mut last = key.generation;
    for verb in ["disable", "enable", "disable"] {
        last = generation(&admin.act(&key, verb, &json!({}))?)?;
        fleet.published()?;
    }
    fleet.applied(last)?;
    for edge in fleet.edges() {
        edge.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
    }
    // The key was enabled then.
    fleet.kv()?.script([When::read_by(0).of("head").then(Fault::Old(1))]);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        for edge in fleet.edges() {
            edge.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
        }
        let status = fleet.edge(0).status()?;
        ensure!(status["generation"] == json!(last), "it has gone back: {status}");
        thread::sleep(Duration::from_millis(50));
    }
    let states: Vec<_> = fleet.each_status()?.iter().map(|status| status["state"].clone()).collect();
    ensure!(states == [json!("stale"), json!("fresh")], "what an older head says confirms nothing: {states:?}");
    heard(&admin, fleet.edge(0), |told| {
        let ignored = told["counters"]["rollback_ignored"].as_u64();
        ensure!(ignored >= Some(3), "asked for 5 s, once a second, and {ignored:?} are told");
        Ok(())
    })?;
    heard(&admin, fleet.edge(1), |told| {
        ensure!(told["counters"].get("rollback_ignored").is_none_or(|ignored| *ignored == 0));
        Ok(())
    })?;

    // One that starts anew knows no newer: it has what KV shows it, and then what KV comes to show.
    fleet.stop_edge(0)?;
    fleet.start_edge_unready(0, &[])?;
    fleet.kv()?.work();
    fleet.applied(last)?;
    fleet.edge(0).edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
    Ok(())
}
