//! One lane lies, in every way, and the other tells the truth: the truth is taken as if there were only that.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::fake_kv::{Fault, When};
use keyward_tests::hostile::Answer;
use keyward_tests::{Fleet, FleetOptions, Lanes};
use serde_json::json;

use super::{Scene, grown_little};
use crate::Test;
use crate::turns::fleet;

/// A change over the lane that is not attacked: to the head, into KV, and two looks at it. The machine is busy.
const BY_THE_OTHER: Duration = Duration::from_secs(12);

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("a_malicious_http_lane_does_not_keep_kv_from_bringing_the_truth", || fleet(&both(8), http_lies))
            .slow(),
        Test::alone("a_malicious_kv_does_not_keep_the_http_lane_from_bringing_the_truth", || {
            fleet(&both(KV_LIES.len()), kv_lies)
        })
        .slow(),
    ]
}

fn both(edges: usize) -> FleetOptions {
    FleetOptions::new(edges, Lanes::Both).variable("KEYWARD_KV_REFRESH_SECONDS", "1")
}

fn http_lies(fleet: &mut Fleet) -> Result<()> {
    let scene = Scene::begin(fleet, 8)?;
    let (older, _) = scene.true_head()?;
    let lies = [
        ("garbage", Answer::Bytes(b"no head at all".to_vec())),
        ("an older head", Answer::Bytes(older)),
        ("nothing new, ever", Answer::NotModified),
        ("a body without end", Answer::Endless(200)),
        ("a compressed bomb", Answer::Bomb),
        ("a byte at a time", Answer::Drip),
        ("silence", Answer::Silence),
        ("that it lies elsewhere", Answer::Redirect("http://127.0.0.1:9/".to_owned())),
    ];
    let mut before = Vec::new();
    for ((edge, lane), (_, lie)) in fleet.edges().zip(&scene.lanes).zip(&lies) {
        edge.forget_peak_memory()?;
        before.push(edge.peak_memory()?);
        lane.answer([("*", lie.clone())]);
    }
    brings_the_truth(fleet, &scene, &lies.each_ref().map(|(kind, _)| *kind))?;
    for ((edge, memory), (kind, _)) in fleet.edges().zip(before).zip(&lies) {
        grown_little(edge, memory).with_context(|| (*kind).to_owned())?;
    }
    Ok(())
}

const KV_LIES: [(&str, Fault); 6] = [
    ("answers 500", Fault::Status(500)),
    ("has a bit the other way round", Fault::Flip(1_000)),
    ("shows what was there before", Fault::Old(1)),
    ("never ends", Fault::Endless),
    ("gives a byte at a time", Fault::Drip(Duration::from_millis(250))),
    ("is silent", Fault::Stall),
];

fn kv_lies(fleet: &mut Fleet) -> Result<()> {
    let scene = Scene::begin(fleet, KV_LIES.len())?;
    let rule = |(at, (_, fault)): (usize, &(&str, Fault))| When::read_by(at).then(*fault);
    fleet.kv()?.script(KV_LIES.iter().enumerate().map(rule));
    let mut before = Vec::new();
    for edge in fleet.edges() {
        edge.forget_peak_memory()?;
        before.push(edge.peak_memory()?);
    }
    brings_the_truth(fleet, &scene, &KV_LIES.map(|(kind, _)| kind))?;
    for ((edge, memory), (kind, _)) in fleet.edges().zip(before).zip(&KV_LIES) {
        grown_little(edge, memory).with_context(|| (*kind).to_owned())?;
    }
    Ok(())
}

/// A change is judged by at every edge, by way of the lane that does not lie, and stays so.
fn brings_the_truth(fleet: &Fleet, scene: &Scene, kinds: &[&str]) -> Result<()> {
    let changed = scene.change()?;
    let began = Instant::now();
    let mut right = vec![None; kinds.len()];
    while began.elapsed() < BY_THE_OTHER || right.contains(&None) {
        for (at, (edge, kind)) in fleet.edges().zip(kinds).enumerate() {
            let answer = edge.edge("/v1/ping").key(&scene.changed.secret).send()?;
            match (answer.status, right[at]) {
                (401, None) => right[at] = Some(began.elapsed()),
                (401, Some(_)) => {}
                (200, None) => ensure!(began.elapsed() < BY_THE_OTHER, "{kind}: it hears of nothing"),
                (status, was) => anyhow::bail!("{kind}: {status}, and right after {was:?}: {}", answer.text()),
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    for (edge, kind) in fleet.edges().zip(kinds) {
        scene.judged(edge, [200, 401, 401]).with_context(|| (*kind).to_owned())?;
        let status = edge.status()?;
        ensure!(status["generation"].as_u64() >= Some(changed), "{kind}: {status}");
        ensure!(status["epoch"] != json!(null), "{kind}: {status}");
    }
    Scene::nothing_forwarded(fleet)
}
