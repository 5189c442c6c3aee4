//! The same head for ever, which was true once.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_shared::snapshot::Head;
use keyward_tests::hostile::Answer;
use keyward_tests::stack::eventually;
use keyward_tests::{Fleet, clock};
use serde_json::json;

use super::{Scene, applied, over_http};
use crate::Test;

/// How long the frozen head lasts. Half of it is enough for the edges to have taken it.
const LIFE: Duration = Duration::from_secs(16);

/// How much an edge's clock may be behind, in milliseconds: it stands still between two things that happen.
const BEHIND: u64 = 250;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("an_indefinite_freeze_is_told_as_stale_and_ends_when_the_head_expires", || over_http(2, freeze))
            .slow(),
    ]
}

fn freeze(fleet: &mut Fleet, scene: &Scene) -> Result<()> {
    let (_, head) = scene.true_head()?;
    let issued_at = now_ms();
    let expires_at = issued_at + u64::try_from(LIFE.as_millis())?;
    let frozen = scene.heads.sign(&Head { issued_at, expires_at, ..head })?;
    for lane in &scene.lanes {
        lane.answer([("head", Answer::Bytes(frozen.clone()))]);
    }
    for edge in fleet.edges() {
        eventually(LIFE / 4, || {
            let status = edge.status()?;
            let has_it = clock::ms_of(&status["expires_at"])? == i64::try_from(expires_at)?;
            ensure!(has_it && status["state"] == "fresh", "{status}");
            Ok(())
        })?;
    }
    // The one is given the same bytes again and again, the other told that they are the newest.
    scene.lanes[1].answer([("head", Answer::NotModified)]);
    let changed = scene.change()?;
    let mut seen = Vec::new();
    while now_ms() + BEHIND < expires_at {
        let asked_at = now_ms();
        for edge in fleet.edges() {
            scene.judged(edge, [200, 401, 200]).context("while the head lasts")?;
            let state = edge.status()?["state"].clone();
            // Whoever signs anew before half of that time is over is not to be heard.
            let is_old = asked_at > issued_at.midpoint(expires_at) + BEHIND;
            ensure!(!is_old || state == "stale", "{} ms before it expires: {state}", expires_at - asked_at);
            seen.push(state);
        }
        thread::sleep(Duration::from_millis(200));
    }
    ensure!(seen.contains(&json!("stale")), "{seen:?}");
    thread::sleep(Duration::from_millis((expires_at + BEHIND).saturating_sub(now_ms())));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        for edge in fleet.edges() {
            for key in [&scene.usable, &scene.disabled, &scene.changed] {
                let refusal = edge.edge("/v1/ping").key(&key.secret).send()?.must_be(503)?;
                ensure!(refusal.json()?["code"] == "snapshot_expired", "{}", refusal.text());
            }
            ensure!(edge.status()?["state"] == "expired", "{}", edge.status()?);
        }
        thread::sleep(Duration::from_millis(100));
    }
    for (edge, lane) in fleet.edges().zip(&scene.lanes) {
        lane.answer([]);
        applied(edge, changed)?;
        scene.judged(edge, [200, 401, 401])?;
    }
    Scene::nothing_forwarded(fleet)
}

fn now_ms() -> u64 {
    u64::try_from(clock::now_ms()).unwrap_or(0)
}
