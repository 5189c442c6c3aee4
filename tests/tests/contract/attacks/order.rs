//! Heads and objects that are genuine, and out of their order: older ones, ones from far ahead, and some of one
//! generation among those of another.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use keyward_shared::snapshot::{Head, ObjectName};
use keyward_tests::hostile::Answer;
use keyward_tests::stack::eventually;
use keyward_tests::{Fleet, FleetOptions, Lanes};
use serde_json::json;

use super::{ATTACK, RECOVERY, Scene, applied, begin_anew, is_stale, over_http, raise_epoch};
use crate::Test;
use crate::turns::fleet;

/// Where epoch and generation stand in a head's bytes: behind kind, version, key id and signature.
const EPOCH_AT: usize = 77;
const GENERATION_AT: usize = 85;
const ISSUED_AT: usize = 93;
const EXPIRES_AT: usize = 101;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("a_rollback_to_an_older_head_is_ignored_and_counted", || over_http(2, rollback)),
        Test::alone("fast_forward_without_the_key_moves_nothing", || over_http(4, forward_without_key)),
        Test::alone("fast_forward_with_the_key_ends_with_an_epoch_raised_and_pinned", || {
            let options = FleetOptions::new(2, Lanes::Kv).variable("KEYWARD_KV_REFRESH_SECONDS", "1");
            fleet(&options, forward_with_key)
        }),
        Test::alone("fast_forward_to_the_last_epoch_ends_with_another_signing_key", || {
            let options = FleetOptions::new(1, Lanes::Kv).variable("KEYWARD_KV_REFRESH_SECONDS", "1");
            fleet(&options, forward_to_the_end)
        }),
        Test::alone("mix_and_match_of_two_generations_is_judged_by_neither", || over_http(3, mix_and_match)),
    ]
}

fn rollback(fleet: &mut Fleet, scene: &Scene) -> Result<()> {
    let (old, old_head) = scene.true_head()?;
    let changed = scene.change()?;
    for edge in fleet.edges() {
        applied(edge, changed)?;
        scene.judged(edge, [200, 401, 401])?;
    }
    // What was true a moment ago, and what somebody signs who may: an epoch back, and a millisecond back.
    let (_, now) = scene.true_head()?;
    let back = scene.heads.sign(&Head { issued_at: now.issued_at - 1, ..now.clone() })?;
    for (lane, bytes) in scene.lanes.iter().zip([old.clone(), back]) {
        lane.answer([("head", Answer::Bytes(bytes))]);
    }
    let began = std::time::Instant::now();
    while began.elapsed() < ATTACK {
        for edge in fleet.edges() {
            scene.judged(edge, [200, 401, 401]).context("a key came back, or was lost")?;
        }
    }
    for edge in fleet.edges() {
        let status = edge.status()?;
        is_stale(&status)?;
        ensure!(status["generation"] == json!(changed), "{status}");
        ensure!(status["rollbacks_ignored"].as_u64() >= Some(3), "{status}");
    }
    // One that starts anew knows no newer, but its configuration does.
    begin_anew_behind(fleet, scene)?;
    let (_, raised) = scene.true_head()?;
    ensure!(raised.epoch > old_head.epoch, "the epoch was not raised");
    scene.lanes[0].answer([("head", Answer::Bytes(old))]);
    scene.restart(fleet, 0, &[("KEYWARD_MIN_EPOCH", &raised.epoch.to_string())])?;
    scene.judged(fleet.edge(0), [503; 3])?;
    ensure!(fleet.edge(0).status()?["state"] == "none", "{}", fleet.edge(0).status()?);
    scene.lanes[0].answer([]);
    applied(fleet.edge(0), raised.generation)?;
    scene.judged(fleet.edge(0), [200, 401, 401])?;
    Scene::nothing_forwarded(fleet)
}

/// The publisher begins anew, and the edges hear of it.
fn begin_anew_behind(fleet: &Fleet, scene: &Scene) -> Result<()> {
    scene.lanes.iter().for_each(|lane| lane.answer([]));
    begin_anew(fleet)
}

fn forward_without_key(fleet: &mut Fleet, scene: &Scene) -> Result<()> {
    let (genuine, _) = scene.true_head()?;
    let edited = |at: usize| {
        let mut bytes = genuine.clone();
        bytes[at..at + 8].copy_from_slice(&u64::MAX.to_be_bytes());
        Answer::Bytes(bytes)
    };
    let attacks = [
        ("its epoch", "head", edited(EPOCH_AT)),
        ("its generation", "head", edited(GENERATION_AT)),
        ("its time of issue", "head", edited(ISSUED_AT)),
        ("its expiry", "head", edited(EXPIRES_AT)),
    ];
    scene.withstands(fleet, &attacks, is_stale)
}

/// Somebody has signed a head that none can be above, and that lacks a key: nothing is done to that key for its sake,
/// and what is said to help does.
fn forward_to_the_end(fleet: &mut Fleet) -> Result<()> {
    let scene = Scene::begin(fleet, 0)?;
    let head = scene.heads.read(&fleet.kv()?.value("head").context("no head")?)?;
    let fresh = scene.admin.key("fresh")?;
    fleet.applied(fresh.generation)?;
    fleet.stop_control_plane()?;
    fleet.kv()?.put("head", scene.heads.sign(&Head { epoch: u64::MAX, narrowed_through: u64::MAX, ..head })?);
    eventually(RECOVERY, || {
        let status = fleet.edge(0).status()?;
        ensure!(status["epoch"] == json!(u64::MAX), "whoever has the key is believed: {status}");
        Ok(())
    })?;
    let refused = raise_epoch(fleet).err().context("the last epoch was raised")?.to_string();
    ensure!(refused.contains("signing key") && refused.contains("Nothing was changed"), "{refused}");

    let key = fleet.control_plane().secret("signing-key");
    fs::rename(&key, key.with_extension("old"))?;
    fleet.control_plane().init()?;
    fleet.start_control_plane()?;
    let published = fleet.published()?["published_generation"].as_u64().context("no generation")?;
    fleet.stop_edge(0)?;
    fleet.start_edge(0, &[])?;
    scene.judged(fleet.edge(0), [200, 401, 200])?;
    fleet.edge(0).edge("/v1/ping").key(&fresh.secret).send()?.must_be(200)?;
    ensure!(fleet.edge(0).status()?["generation"].as_u64() >= Some(published), "{}", fleet.edge(0).status()?);
    scene.change()?;
    eventually(RECOVERY, || scene.judged(fleet.edge(0), [200, 401, 401]))?;
    Scene::nothing_forwarded(fleet)
}

/// Somebody has signed a head from far ahead and written it to KV, where the control plane finds it when it
/// starts again.
fn forward_with_key(fleet: &mut Fleet) -> Result<()> {
    let scene = Scene::begin(fleet, 0)?;
    let true_bytes = fleet.kv()?.value("head").context("no head")?;
    let head = scene.heads.read(&true_bytes)?;
    let far = head.generation + (1 << 40);
    let forged = Head { epoch: head.epoch + 1_000, generation: far, narrowed_through: far, ..head };
    let forged_epoch = forged.epoch;
    let forged = scene.heads.sign(&forged)?;
    fleet.stop_control_plane()?;
    fleet.kv()?.put("head", forged.clone());
    for edge in fleet.edges() {
        eventually(RECOVERY, || {
            let status = edge.status()?;
            ensure!(status["generation"] == json!(far), "whoever has the key is believed: {status}");
            Ok(())
        })?;
    }
    // It says of itself that it does not publish, and what to do.
    let program = fleet.control_plane().program.clone();
    fleet.start_control_plane_as(&program, "/healthz")?;
    let written = fleet.kv()?.calls().len();
    eventually(RECOVERY, || {
        let said = scene.admin.get("/v1/snapshot")?.must_be(200)?.json()?;
        let said = said["last_error"].as_str().unwrap_or_default().to_owned();
        ensure!(said.contains("raise-epoch") && said.contains(&far.to_string()), "{said}");
        Ok(())
    })?;
    scene.change()?;
    fleet.kill_control_plane()?;
    ensure!(fleet.kv()?.calls().split_off(written).iter().all(|call| !call.is_head()), "it wrote over it");
    raise_epoch(fleet)?;
    fleet.start_control_plane()?;
    let published = fleet.published()?["published_generation"].as_u64().context("no generation")?;
    ensure!(published > far, "generation {published} is below what edges have");
    for edge in fleet.edges() {
        applied(edge, published)?;
        scene.judged(edge, [200, 401, 401])?;
    }
    // The forged one again: who has the new knows better, and so does one that starts with the epoch pinned.
    let epoch = fleet.edge(0).status()?["epoch"].as_u64().context("no epoch")?;
    ensure!(epoch > forged_epoch, "epoch {epoch} is not above {forged_epoch}");
    fleet.stop_control_plane()?;
    let newest = fleet.kv()?.value("head").context("no head")?;
    fleet.kv()?.put("head", forged);
    fleet.stop_edge(1)?;
    fleet.start_edge_unready(1, &[("KEYWARD_MIN_EPOCH", &epoch.to_string())])?;
    let began = std::time::Instant::now();
    while began.elapsed() < ATTACK / 2 {
        scene.judged(fleet.edge(0), [200, 401, 401])?;
        scene.judged(fleet.edge(1), [503; 3])?;
    }
    ensure!(fleet.edge(1).status()?["state"] == "none", "{}", fleet.edge(1).status()?);
    ensure!(fleet.edge(0).status()?["epoch"] == json!(epoch), "{}", fleet.edge(0).status()?);
    fleet.kv()?.put("head", newest);
    applied(fleet.edge(1), published)?;
    scene.judged(fleet.edge(1), [200, 401, 401])?;
    Scene::nothing_forwarded(fleet)
}

/// Objects of the generation before in place of those of this one, and the other way round.
fn mix_and_match(fleet: &mut Fleet, scene: &Scene) -> Result<()> {
    let (old_bytes, old) = scene.true_head()?;
    let old_leaf = (leaf_of(&old)?, scene.object(leaf_of(&old)?)?);
    let old_settings = scene.object(old.settings)?;
    let changed = scene.change()?;
    scene.admin.patch("/v1/settings", &json!({"realm": "Mixed"}))?.must_be(200)?;
    begin_anew(fleet)?;
    let (_, new) = scene.true_head()?;
    ensure!(
        new.generation > changed && new.settings != old.settings && leaf_of(&new)? != old_leaf.0,
        "nothing changed"
    );
    let (new_leaf, new_settings) = (path(leaf_of(&new)?), path(new.settings));
    let of_old = |object: &[u8]| Answer::Bytes(object.to_vec());

    // The old leaf in place of the new, in which a key is disabled; an object of another kind; the old settings.
    for (at, object, bytes) in
        [(0, &new_leaf, &old_leaf.1), (1, &new_leaf, &old_settings), (2, &new_settings, &old_settings)]
    {
        scene.lanes[at].answer([(object.as_str(), of_old(bytes))]);
        scene.restart(fleet, at, &[])?;
    }
    for at in [0, 1] {
        applied(fleet.edge(at), new.generation)?;
        scene.lacks_objects(fleet.edge(at))?;
    }
    scene.judged(fleet.edge(2), [503; 3])?;
    ensure!(fleet.edge(2).status()?["state"] == "none", "a head counts without its settings");

    // What changed lately, of one head, in another.
    let mixed = mixed(&old_bytes, &scene.true_head()?.0)?;
    for (edge, lane) in fleet.edges().zip(&scene.lanes) {
        lane.answer([]);
        applied(edge, new.generation)?;
        scene.judged(edge, [200, 401, 401])?;
        lane.answer([("head", Answer::Bytes(mixed.clone()))]);
    }
    let began = std::time::Instant::now();
    while began.elapsed() < ATTACK / 2 {
        for edge in fleet.edges() {
            scene.judged(edge, [200, 401, 401])?;
        }
    }
    for edge in fleet.edges() {
        is_stale(&edge.status()?)?;
    }
    Scene::nothing_forwarded(fleet)
}

/// The body of one head behind the signature of another.
fn mixed(body_of: &[u8], signature_of: &[u8]) -> Result<Vec<u8>> {
    let (Some(body), Some(signature)) = (body_of.get(EPOCH_AT..), signature_of.get(..EPOCH_AT)) else {
        bail!("no heads");
    };
    Ok([signature, body].concat())
}

fn leaf_of(head: &Head) -> Result<ObjectName> {
    head.tree.top.first().copied().context("no leaf")
}

fn path(name: ObjectName) -> String {
    format!("objects/{name}")
}
