//! Somebody may write to KV, whose values may be hundreds of times larger than a head or an object, or answers
//! for it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::fake_kv::{Fault, When};
use keyward_tests::{Fleet, FleetOptions, Lanes, Times};

use super::{ATTACK, SOON, Scene, applied, grown_little, is_stale};
use crate::Test;
use crate::turns::fleet;

/// The largest value that Workers KV takes.
const LARGEST: usize = 25 << 20;
const WAYS: [(&str, Fault); 2] = [("never ends", Fault::Endless), ("a byte at a time", Fault::Drip(DRIP))];
const DRIP: Duration = Duration::from_millis(250);

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("the_largest_values_of_kv_in_place_of_head_and_objects_are_bounded", || {
            fleet(&kv_only(1), largest)
        }),
        Test::alone("endless_and_slow_data_from_kv_is_bounded_and_holds_nobody_up", || {
            fleet(&kv_only(WAYS.len()), endless_and_slow)
        })
        .slow(),
    ]
}

fn kv_only(edges: usize) -> FleetOptions {
    FleetOptions::new(edges, Lanes::Kv).variable("KEYWARD_KV_REFRESH_SECONDS", "1")
}

fn largest(fleet: &mut Fleet) -> Result<()> {
    let scene = Scene::begin(fleet, 0)?;
    let head = fleet.kv()?.value("head").context("no head")?;
    let leaf = scene.heads.read(&head)?.tree.top.first().context("no leaf")?.kv_key();
    let edge = fleet.edge(0);
    edge.forget_peak_memory()?;
    let before = edge.peak_memory()?;
    // Behind the genuine bytes, so that their beginning raises no doubt.
    let grown = |mut value: Vec<u8>| {
        value.resize(LARGEST, 0);
        value
    };
    fleet.kv()?.put("head", grown(head.clone()));
    let began = Instant::now();
    while began.elapsed() < ATTACK {
        scene.judged(edge, [200, 401, 200])?;
        thread::sleep(Duration::from_millis(100));
    }
    is_stale(&edge.status()?)?;
    grown_little(edge, before).context("the head")?;

    fleet.kv()?.put("head", head);
    let true_leaf = fleet.kv()?.value(&leaf).context("no leaf")?;
    fleet.kv()?.put(&leaf, grown(true_leaf.clone()));
    fleet.stop_edge(0)?;
    fleet.start_edge(0, &[])?;
    let edge = fleet.edge(0);
    let before = edge.peak_memory()?;
    for _ in 0..5 {
        scene.lacks_objects(edge)?;
    }
    grown_little(edge, before).context("the leaf")?;
    fleet.kv()?.put(&leaf, true_leaf);
    scene.judged(edge, [200, 401, 200])?;
    Scene::nothing_forwarded(fleet)
}

fn endless_and_slow(fleet: &mut Fleet) -> Result<()> {
    let scene = Scene::begin(fleet, 0)?;
    let attack = |keys: &'static str| {
        WAYS.iter().enumerate().map(move |(at, (_, fault))| When::read_by(at).of(keys).then(*fault))
    };
    let mut before = Vec::new();
    for edge in fleet.edges() {
        edge.forget_peak_memory()?;
        before.push(edge.peak_memory()?);
    }
    fleet.kv()?.script(attack("head"));
    let changed = scene.change()?;
    let (began, mut times) = (Instant::now(), WAYS.map(|_| Times::default()));
    while began.elapsed() < ATTACK {
        for ((edge, (kind, _)), times) in fleet.edges().zip(&WAYS).zip(&mut times) {
            scene.judged_in(times, edge, [200, 401, 200]).with_context(|| (*kind).to_owned())?;
        }
        thread::sleep(Duration::from_millis(100));
    }
    for (times, (kind, _)) in times.into_iter().zip(&WAYS) {
        times.all_but_one_below(SOON).with_context(|| (*kind).to_owned())?;
    }
    for ((edge, memory), (kind, _)) in fleet.edges().zip(before).zip(&WAYS) {
        is_stale(&edge.status()?).with_context(|| (*kind).to_owned())?;
        grown_little(edge, memory).with_context(|| format!("the head: {kind}"))?;
    }
    fleet.kv()?.work();
    for edge in fleet.edges() {
        applied(edge, changed)?;
    }
    // Whoever starts anew has head and settings, and no leaf.
    super::begin_anew(fleet)?;
    for at in 0..WAYS.len() {
        fleet.stop_edge(at)?;
        fleet.start_edge(at, &[])?;
    }
    fleet.kv()?.script(attack("object-*"));
    for (edge, (kind, _)) in fleet.edges().zip(&WAYS) {
        edge.forget_peak_memory()?;
        let before = edge.peak_memory()?;
        scene.lacks_objects(edge).with_context(|| (*kind).to_owned())?;
        grown_little(edge, before).with_context(|| format!("objects: {kind}"))?;
    }
    fleet.kv()?.work();
    for edge in fleet.edges() {
        scene.judged(edge, [200, 401, 401])?;
    }
    ensure!(fleet.edges().count() == WAYS.len(), "an edge for each");
    Scene::nothing_forwarded(fleet)
}
