//! Reads of KV fail, are slow, break off, or find nothing there yet: what an edge holds is judged as before,
//! what it does not hold is a 503 in time, and nothing is ever refused for it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use keyward_shared::snapshot::ObjectName;
use keyward_tests::fake_kv::{Fault, Rule, When};
use keyward_tests::heads::Heads;
use keyward_tests::stack::{NewKey, eventually, generation};
use keyward_tests::{Fleet, FleetOptions, Lanes, Times, Workerd};
use serde_json::json;

use crate::Test;
use crate::edges::heard;
use crate::turns::fleet;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("kv_cannot_be_read_what_is_held_is_judged_and_what_is_not_is_a_503", || {
            fleet(&kv_only(FAULTS.len() + 1), unreadable)
        }),
        Test::alone("a_leaf_that_is_held_counts_on_while_the_newer_one_is_broken", || fleet(&kv_only(1), held_on)),
        Test::alone("heads_that_overtake_their_objects_change_no_verdict", || fleet(&kv_only(2), overtaken)),
        Test::alone("an_object_that_came_broken_is_fetched_anew_past_the_cache_and_told_of", || {
            fleet(&kv_only(1), broken_once)
        }),
        Test::alone("an_object_that_kv_took_and_lost_is_had_over_http", || {
            fleet(&FleetOptions::new(1, Lanes::Both), lost)
        }),
    ]
}

/// The ways in which one edge's reads fail; the last edge of all reads well.
const FAULTS: [(&str, Fault); 5] = [
    ("answers 500", Fault::Status(500)),
    ("answers 429", Fault::Status(429)),
    ("is away", Fault::Away),
    ("breaks off", Fault::Break(20)),
    // Longer than a lane is waited for.
    ("is slow", Fault::Delay(Duration::from_secs(8))),
];
/// A load is given up after a second; the machine is busy with other tests.
const GIVEN_UP: Duration = Duration::from_millis(2_500);

fn kv_only(edges: usize) -> FleetOptions {
    FleetOptions::new(edges, Lanes::Kv).variable("KEYWARD_KV_REFRESH_SECONDS", "1")
}

/// Has the publisher begin anew, with all keys in leaves and none beside the tree, and waits until edges have
/// that; meanwhile KV fails as these rules say.
pub(super) fn all_in_leaves(fleet: &Fleet, rules: impl IntoIterator<Item = Rule>) -> Result<()> {
    fleet.published()?;
    fleet.stop_control_plane()?;
    let raised = fleet.control_plane().command("raise-epoch").args(["--kv-url", &fleet.kv()?.url()]).output()?;
    ensure!(raised.status.success(), "raise-epoch: {}", String::from_utf8_lossy(&raised.stderr));
    fleet.kv()?.script(rules);
    fleet.start_control_plane()?;
    fleet.applied(fleet.published()?["published_generation"].as_u64().context("no generation")?)?;
    let newest = Heads::of(fleet.control_plane())?.read(&fleet.kv()?.value("head").context("no head")?)?;
    ensure!(newest.recent.is_empty(), "there are keys beside the tree: {newest:?}");
    Ok(())
}

fn judged(edge: &Workerd, keys: [&NewKey; 3], wanted: [u16; 3]) -> Result<()> {
    for (key, wanted) in keys.into_iter().zip(wanted) {
        edge.edge("/v1/ping").key(&key.secret).send()?.must_be(wanted).with_context(|| key.id.clone())?;
    }
    Ok(())
}

fn unreadable(fleet: &mut Fleet) -> Result<()> {
    let admin = fleet.admin()?;
    let usable = admin.key("usable")?;
    let keys = [&usable, &admin.key_in(&usable.workspace, "changed", json!({}))?, &admin.key("disabled")?];
    admin.act(keys[2], "disable", &json!({}))?;
    all_in_leaves(fleet, [])?;
    for edge in fleet.edges() {
        judged(edge, keys, [200, 200, 401])?;
    }
    let well = FAULTS.len();
    let fail = |keys: &'static str| {
        FAULTS.iter().enumerate().map(move |(at, (_, fault))| When::read_by(at).of(keys).then(*fault))
    };
    fleet.kv()?.script(fail("*"));
    let began = Instant::now();
    let changed = generation(&admin.act(keys[1], "disable", &json!({}))?)?;
    let mut times = FAULTS.map(|_| Times::default());
    while began.elapsed() < Duration::from_secs(6) {
        for (at, (kind, _)) in FAULTS.iter().enumerate() {
            let judged = || judged(fleet.edge(at), keys, [200, 200, 401]);
            times[at].of(judged).with_context(|| format!("KV {kind}"))?;
        }
        thread::sleep(Duration::from_millis(100));
    }
    for (times, (kind, _)) in times.into_iter().zip(FAULTS) {
        times.all_but_one_below(GIVEN_UP).with_context(|| format!("KV {kind}: three answers"))?;
    }
    fleet.edge(well).applied(changed)?;
    judged(fleet.edge(well), keys, [200, 401, 401]).context("the edge that reads well")?;
    for (at, (kind, _)) in FAULTS.iter().enumerate() {
        let status = fleet.edge(at).status()?;
        ensure!(status["state"] == "stale", "KV {kind}: {status}");
        ensure!(status["generation"].as_u64() < Some(changed), "KV {kind}: {status}");
        ensure!(status["age_seconds"].as_f64() >= Some(5.0), "KV {kind}: {status}");
    }
    fleet.kv()?.work();
    // The pause before the next attempt has grown to some seconds.
    for (at, (kind, _)) in FAULTS.iter().enumerate() {
        fleet.edge(at).applied(changed).with_context(|| format!("KV {kind} no more"))?;
        judged(fleet.edge(at), keys, [200, 401, 401])?;
    }

    // An edge that starts anew reads head and settings, and then no leaf can be read.
    all_in_leaves(fleet, [])?;
    for at in 0..FAULTS.len() {
        fleet.stop_edge(at)?;
        fleet.start_edge(at, &[])?;
    }
    fleet.kv()?.script(fail("object-*"));
    for (at, (kind, _)) in FAULTS.iter().enumerate() {
        let mut times = Times::default();
        for key in keys {
            let refusal = times.of(|| fleet.edge(at).edge("/v1/ping").key(&key.secret).send()?.must_be(503))?;
            ensure!(refusal.json()?["code"] == "object_unavailable", "KV {kind}: {}", refusal.text());
        }
        times.all_but_one_below(GIVEN_UP).with_context(|| format!("KV {kind}"))?;
        let malformed = fleet.edge(at).edge("/v1/ping").header("authorization", "Basic ?").send()?;
        malformed.must_be(401).with_context(|| format!("KV {kind}: what needs no object"))?;
        let (log, name) = (fleet.edge(at).log()?, leaf(fleet)?);
        ensure!(log.contains(&format!("object {name} from KV: ")), "KV {kind}: which object, and why? {log}");
        heard(&admin, fleet.edge(at), |told| {
            let failed = told["counters"]["load_failed"].as_u64();
            ensure!(failed >= Some(keys.len() as u64), "KV {kind}: {failed:?} loads failed");
            Ok(())
        })?;
    }
    fleet.kv()?.work();
    for edge in fleet.edges() {
        judged(edge, keys, [200, 401, 401])?;
    }
    ensure!(fleet.origin().seen().is_empty(), "something was forwarded");
    Ok(())
}

/// A change moves on the tree, and the leaf that is new cannot be had. Nobody needs it: the one that is held says of
/// keys that did not change what it said, and of the one that did the head says it.
fn held_on(fleet: &mut Fleet) -> Result<()> {
    let admin = fleet.admin()?;
    let usable = admin.key("usable")?;
    let changed = admin.key_in(&usable.workspace, "changed", json!({}))?;
    let disabled = admin.key_in(&usable.workspace, "disabled", json!({}))?;
    admin.act(&disabled, "disable", &json!({}))?;
    let keys = [&usable, &changed, &disabled];
    all_in_leaves(fleet, [])?;
    judged(fleet.edge(0), keys, [200, 200, 401])?;
    let held = leaf(fleet)?;
    fleet.kv()?.script([When::read_by(0).of("object-*").then(Fault::Flip(9))]);
    let last = generation(&admin.act(&changed, "disable", &json!({}))?)?;
    eventually(Duration::from_secs(30), || {
        ensure!(leaf(fleet)? != held, "the tree has not moved on");
        Ok(())
    })?;
    let (newer, seen) = (leaf(fleet)?, fleet.kv()?.reads().len());
    fleet.applied(last)?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        judged(fleet.edge(0), keys, [200, 401, 401])?;
        thread::sleep(Duration::from_millis(100));
    }
    let reads = fleet.kv()?.reads().split_off(seen);
    let of = |key: &str| reads.iter().filter(|read| read.key == key).count();
    ensure!(of("head") > 0 && of(&held.kv_key()) == 0 && of(&newer.kv_key()) == 0, "{reads:?}");
    // Whoever begins anew reads head and settings, and holds no leaf.
    fleet.kv()?.script([When::read_by(0).of(&newer.kv_key()).then(Fault::Flip(9))]);
    fleet.stop_edge(0)?;
    fleet.start_edge(0, &[])?;
    let refusal = fleet.edge(0).edge("/v1/ping").key(&usable.secret).send()?.must_be(503)?;
    ensure!(refusal.json()?["code"] == "object_unavailable", "{}", refusal.text());
    ensure!(fleet.edge(0).log()?.contains(&format!("object {newer} from KV: refused: ")), "{}", fleet.edge(0).log()?);
    fleet.kv()?.work();
    judged(fleet.edge(0), keys, [200, 401, 401])?;
    ensure!(fleet.origin().seen().is_empty(), "something was forwarded");
    Ok(())
}

/// KV shows heads at once and objects some seconds late, and caches near the reader that they are not there.
fn overtaken(fleet: &mut Fleet) -> Result<()> {
    const LATE: Duration = Duration::from_secs(6);
    let admin = fleet.admin()?;
    let first = admin.key("first")?;
    let gone = admin.key_in(&first.workspace, "gone", json!({}))?;
    admin.act(&gone, "disable", &json!({}))?;
    all_in_leaves(fleet, [])?;
    fleet.edges().try_for_each(|edge| judged(edge, [&first, &first, &gone], [200, 200, 401]))?;
    let reads = || When::read_by(0).of("object-*");
    fleet.kv()?.script([reads().then(Fault::ShowAfter(LATE)), reads().then(Fault::CacheFor(LATE / 2))]);
    let seen = fleet.kv()?.reads().len();
    let began = Instant::now();
    // No head counts without the settings that it names.
    admin.patch("/v1/settings", &json!({"realm": "Overtaken"}))?.must_be(200)?;
    let second = admin.key_in(&first.workspace, "second", json!({}))?;
    let last = generation(&admin.act(&first, "disable", &json!({}))?)?;
    let mut right_at = None;
    while right_at.is_none_or(|at: Duration| began.elapsed() < at + Duration::from_secs(3)) {
        ensure!(began.elapsed() < 5 * LATE, "it never came to be right: {}", fleet.edge(0).status()?);
        let mut now = [0; 3];
        for (status, key) in now.iter_mut().zip([&first, &second, &gone]) {
            *status = fleet.edge(0).edge("/v1/ping").key(&key.secret).send()?.status;
        }
        match now {
            [401, 200, 401] => right_at = right_at.or(Some(began.elapsed())),
            [200, 401, 401] if right_at.is_none() => {}
            _ => bail!("{now:?} is neither as it was nor as it is to be; once right: {right_at:?}"),
        }
        thread::sleep(Duration::from_millis(100));
    }
    ensure!(right_at >= Some(LATE), "right after {right_at:?}: no head has overtaken anything");
    let reads = fleet.kv()?.reads().split_off(seen);
    let missed = reads.iter().filter(|read| read.reader == 0 && read.key != "head" && read.value.is_none()).count();
    ensure!(missed > 1, "{missed} objects were missed");
    let log = fleet.edge(0).log()?;
    let names = reads.iter().filter(|read| read.value.is_none()).filter_map(|read| read.key.strip_prefix("object-"));
    let told = names.filter(|name| log.contains(&format!("object {name} from KV: it is not there"))).count();
    ensure!(told > 0, "the log does not say what is missing: {log}");
    fleet.edge(1).applied(last)?;
    judged(fleet.edge(1), [&first, &second, &gone], [401, 200, 401])
}

/// The one leaf of the tree that KV's head names.
fn leaf(fleet: &Fleet) -> Result<ObjectName> {
    let head = Heads::of(fleet.control_plane())?.read(&fleet.kv()?.value("head").context("no head")?)?;
    ensure!(head.tree.top.len() == 1, "{head:?}");
    Ok(head.tree.top[0])
}

/// What came broken may lie in a cache for a day: the next time it is asked for as new as the platform gives it.
fn broken_once(fleet: &mut Fleet) -> Result<()> {
    let admin = fleet.admin()?;
    let usable = admin.key("usable")?;
    all_in_leaves(fleet, [])?;
    fleet.stop_edge(0)?;
    fleet.start_edge(0, &[])?;
    let seen = fleet.kv()?.reads().len();
    fleet.kv()?.script([When::read_by(0).of("object-*").then(Fault::Flip(9)).times(1)]);
    fleet.edge(0).edge("/v1/ping").key(&usable.secret).send()?.must_be(200)?;
    let name = leaf(fleet)?;
    let reads = fleet.kv()?.reads().split_off(seen);
    let reads: Vec<_> = reads.into_iter().filter(|read| read.key == name.kv_key()).collect();
    let cached: Vec<_> = reads.iter().map(|read| read.cache_for).collect();
    ensure!(cached == [Some(Duration::from_hours(24)), Some(Duration::from_secs(30))], "{cached:?}");
    ensure!(reads[0].value == reads[1].value, "KV had it all the time");
    let log = fleet.edge(0).log()?;
    ensure!(log.contains(&format!("object {name} from KV: refused: ")), "which object, and why? {log}");
    heard(&admin, fleet.edge(0), |told| {
        ensure!(told["counters"]["object_fetched_anew"] == 1, "it is not told");
        Ok(())
    })?;
    Ok(())
}

/// KV acknowledges objects and stores none of them.
fn lost(fleet: &mut Fleet) -> Result<()> {
    let admin = fleet.admin()?;
    let usable = admin.key("usable")?;
    let disabled = admin.key_in(&usable.workspace, "disabled", json!({}))?;
    admin.act(&disabled, "disable", &json!({}))?;
    all_in_leaves(fleet, [When::written().of("object-*").then(Fault::Lose)])?;
    fleet.stop_edge(0)?;
    fleet.start_edge(0, &[])?;
    judged(fleet.edge(0), [&usable, &usable, &disabled], [200, 200, 401])?;
    let reads = fleet.kv()?.reads();
    let missed = reads.iter().find(|read| read.key.starts_with("object-") && read.value.is_none());
    ensure!(missed.is_some(), "KV had all that was asked for");
    Ok(())
}
