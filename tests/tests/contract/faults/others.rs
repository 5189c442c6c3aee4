//! What another deployment has published lies where ours should: it is refused though it is rightly signed, as
//! is what was made with a pepper that the edge does not have.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_shared::snapshot::ObjectName;
use keyward_tests::fake_kv::FakeKv;
use keyward_tests::heads::Heads;
use keyward_tests::kv::Asked;
use keyward_tests::stack::{NewKey, eventually};
use keyward_tests::{Fleet, FleetOptions, Lanes};
use serde_json::json;

use super::kv_reads::all_in_leaves;
use crate::Test;
use crate::edges::heard;
use crate::turns::fleet;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("another_deployments_head_and_objects_are_refused", || fleet(&kv_only(1), other_deployment)),
        Test::alone("a_pepper_the_edge_does_not_have_changes_nothing_and_is_told", || {
            fleet(&kv_only(2), unknown_pepper)
        }),
    ]
}

fn kv_only(edges: usize) -> FleetOptions {
    FleetOptions::new(edges, Lanes::Kv).variable("KEYWARD_KV_REFRESH_SECONDS", "1")
}

/// Ours: a key that is usable and one that is disabled, applied by every edge.
fn ours(fleet: &Fleet) -> Result<(NewKey, NewKey, u64)> {
    let admin = fleet.admin()?;
    let (usable, disabled) = (admin.key("usable")?, admin.key("disabled")?);
    admin.act(&disabled, "disable", &json!({}))?;
    all_in_leaves(fleet, [])?;
    let last = fleet.published()?["published_generation"].as_u64().context("no generation")?;
    Ok((usable, disabled, last))
}

/// Another's: a key, published under a later epoch than ours.
fn others(options: &FleetOptions) -> Result<(Fleet, NewKey)> {
    let other = Fleet::start(options)?;
    let key = other.admin()?.key("theirs")?;
    // Each time it publishes anew it does so under a higher epoch.
    for _ in 0..2 {
        all_in_leaves(&other, [])?;
    }
    Ok((other, key))
}

/// Puts all that one KV has been given into another, the objects first.
fn pour(from: &FakeKv, into: &FakeKv) -> Result<()> {
    let written: BTreeSet<String> = from
        .calls()
        .into_iter()
        .flat_map(|call| if let Asked::PutBulk(keys) = call.asked { keys } else { BTreeSet::new() })
        .collect();
    ensure!(!written.is_empty(), "nothing was written");
    for key in written.into_iter().chain(["head".to_owned()]) {
        into.put(&key, from.value(&key).with_context(|| format!("no {key}"))?);
    }
    Ok(())
}

/// Asks for some seconds; every answer is as it was.
fn nothing_changes(fleet: &Fleet, at: usize, keys: [(&NewKey, u16); 3], generation: u64) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        for (key, wanted) in keys {
            let answer = fleet.edge(at).edge("/v1/ping").key(&key.secret).send()?;
            answer.must_be(wanted).with_context(|| key.id.clone())?;
        }
        let status = fleet.edge(at).status()?;
        ensure!(status["generation"] == json!(generation), "{status}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn other_deployment(fleet: &mut Fleet) -> Result<()> {
    let (usable, disabled, last) = ours(fleet)?;
    // Somebody has used the same secrets twice, which is as bad as it can be.
    let options = FleetOptions::new(0, Lanes::Kv).setting("KEYWARD_DEPLOYMENT", "other");
    let (other, theirs) = others(&options.secret_of(fleet, "signing-key").secret_of(fleet, "pepper"))?;
    let head = fleet.kv()?.value("head").context("no head")?;
    pour(other.kv()?, fleet.kv()?)?;
    nothing_changes(fleet, 0, [(&usable, 200), (&disabled, 401), (&theirs, 401)], last)?;
    let status = fleet.edge(0).status()?;
    ensure!(status["state"] == "stale", "{status}");
    ensure!(fleet.edge(0).log()?.contains("head refused"), "{}", fleet.edge(0).log()?);
    heard(&fleet.admin()?, fleet.edge(0), |told| {
        ensure!(told["counters"]["head_refused"].as_u64() >= Some(1), "no refused head is told");
        Ok(())
    })?;

    // Our head again, and a leaf of theirs under the name of ours.
    fleet.kv()?.put("head", head);
    let (our_leaf, their_leaf) = (leaf_of(fleet)?, leaf_of(&other)?);
    fleet.kv()?.put(&our_leaf.kv_key(), other.kv()?.value(&their_leaf.kv_key()).context("no leaf")?);
    fleet.stop_edge(0)?;
    fleet.start_edge(0, &[])?;
    for key in [&usable, &disabled, &theirs] {
        let refusal = fleet.edge(0).edge("/v1/ping").key(&key.secret).send()?.must_be(503)?;
        ensure!(refusal.json()?["code"] == "object_unavailable", "{}", refusal.text());
    }
    let (log, why) = (fleet.edge(0).log()?, format!("the bytes are of {their_leaf}, not of {our_leaf}"));
    ensure!(log.contains(&format!("object {our_leaf} from KV: refused: {why}")), "which object, and why? {log}");
    Ok(())
}

/// The one leaf that a deployment has.
fn leaf_of(fleet: &Fleet) -> Result<ObjectName> {
    let head = fleet.kv()?.value("head").context("no head")?;
    let head = Heads::of(fleet.control_plane())?.read(&head)?;
    head.tree.top.first().copied().context("no leaf")
}

fn unknown_pepper(fleet: &mut Fleet) -> Result<()> {
    let (usable, disabled, last) = ours(fleet)?;
    let (other, theirs) = others(&FleetOptions::new(0, Lanes::Kv).secret_of(fleet, "signing-key"))?;
    // An edge that has been given the pepper beforehand, and one that has not.
    let pepper = fs::read_to_string(other.control_plane().secret("pepper"))?;
    fleet.stop_edge(1)?;
    fleet.start_edge(1, &[("KEYWARD_PEPPER_NEXT", pepper.trim())])?;
    let admin = fleet.admin()?;
    for (at, peppers) in [(0, 1), (1, 2)] {
        fleet.edge(at).edge("/v1/ping").key(&usable.secret).send()?.must_be(200)?;
        heard(&admin, fleet.edge(at), |told| {
            ensure!(told["peppers"].as_array().is_some_and(|all| all.len() == peppers), "edge {at}");
            Ok(())
        })?;
    }
    pour(other.kv()?, fleet.kv()?)?;
    nothing_changes(fleet, 0, [(&usable, 200), (&disabled, 401), (&theirs, 401)], last)?;
    ensure!(fleet.edge(0).log()?.contains("which this edge does not have"), "{}", fleet.edge(0).log()?);
    // The other one takes it, and judges by it.
    let taken = other.published()?["published_generation"].clone();
    eventually(Duration::from_secs(10), || {
        let status = fleet.edge(1).status()?;
        ensure!(status["generation"] == taken, "{status}");
        Ok(())
    })?;
    fleet.edge(1).edge("/v1/ping").key(&theirs.secret).send()?.must_be(200)?;
    fleet.edge(1).edge("/v1/ping").key(&usable.secret).send()?.must_be(401)?;
    Ok(())
}
