//! What comes over a lane is not what was published: arbitrary, endless, slow, or from elsewhere.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_shared::snapshot::{Head, SigningKey};
use keyward_tests::heads::Heads;
use keyward_tests::hostile::{Answer, Hostile};
use keyward_tests::{Fleet, Workerd};

use super::{ATTACK, Scene, applied, grown_little, is_stale, over_http, withstood};
use crate::Test;
use crate::edges::heard;

const HEAD: &str = "head";

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("arbitrary_data_in_place_of_the_head_is_refused", || over_http(6, arbitrary)),
        Test::alone("endless_data_in_place_of_the_head_is_bounded", || withstood(&of_head(&ENDLESS), is_stale)).slow(),
        Test::alone("endless_data_in_place_of_objects_is_bounded_and_a_503", || over_http(5, endless_objects)).slow(),
        Test::alone("slow_retrieval_of_the_head_holds_nobody_up", || withstood(&of_head(&SLOW), is_stale)).slow(),
        Test::alone("slow_retrieval_of_objects_is_a_503_in_time", || over_http(2, slow_objects)).slow(),
        Test::alone("extraneous_data_behind_a_head_or_an_object_is_refused", || over_http(2, extraneous)),
        Test::alone("a_lane_that_is_redirected_is_not_followed_elsewhere", || over_http(2, redirected)),
        Test::alone("a_head_signed_with_a_wrong_key_is_refused_and_with_a_trusted_one_taken", || {
            over_http(2, wrong_keys)
        }),
    ]
}

/// In these words, and what is answered.
type Ways = [(&'static str, Answer)];

const ENDLESS: [(&str, Answer); 5] = [
    ("a body without end", Answer::Endless(200)),
    ("a refusal without end", Answer::Endless(500)),
    ("header fields without end", Answer::EndlessFields),
    ("a compressed bomb", Answer::Bomb),
    ("compressed, and never anything", Answer::EmptyBomb),
];
const SLOW: [(&str, Answer); 2] = [("a byte at a time", Answer::Drip), ("silence", Answer::Silence)];

fn of_head(ways: &Ways) -> Vec<super::Attack> {
    ways.iter().map(|(kind, answer)| (*kind, HEAD, answer.clone())).collect()
}

fn arbitrary(fleet: &mut Fleet, scene: &Scene) -> Result<()> {
    let (genuine, head) = scene.true_head()?;
    let generation = head.generation + 5;
    let later = Head { generation, narrowed_through: generation, ..head };
    let thief = SigningKey::from_seed(&[66; 32]);
    let stolen_id = {
        let mut bytes = Heads::sign_as("keyward", &thief, &later)?;
        bytes[5..13].copy_from_slice(&genuine[5..13]);
        bytes
    };
    let flipped = {
        let mut bytes = scene.heads.sign(&later)?;
        *bytes.last_mut().context("no bytes")? ^= 1;
        bytes
    };
    let lies = [
        ("nothing", Vec::new()),
        ("a page", b"<html><title>Sign in to this network</title>".to_vec()),
        ("signed by somebody else", Heads::sign_as("keyward", &thief, &later)?),
        ("signed by somebody else, in our name", stolen_id),
        ("of another deployment", Heads::sign_as("other", scene.heads.key(), &later)?),
        ("with a bit the other way round", flipped),
    ];
    let attacks: Vec<_> = lies.into_iter().map(|(kind, bytes)| (kind, HEAD, Answer::Bytes(bytes))).collect();
    scene.withstands(fleet, &attacks, is_stale)?;
    for edge in fleet.edges() {
        heard(&scene.admin, edge, |told| {
            ensure!(told["counters"]["head_refused"].as_u64() >= Some(1), "no refused head is told");
            Ok(())
        })?;
    }
    Ok(())
}

/// Edges that begin with the true head and settings, and get no other object.
fn begin_without_objects(fleet: &mut Fleet, scene: &Scene, ways: &Ways) -> Result<()> {
    let settings = format!("objects/{}", scene.true_head()?.1.settings);
    for (at, (_, answer)) in ways.iter().enumerate() {
        scene.lanes[at].answer([("objects/*", answer.clone()), (&settings, Answer::Truth)]);
        scene.restart(fleet, at, &[])?;
        applied(fleet.edge(at), scene.held)?;
    }
    Ok(())
}

/// For some time nothing is judged that needs an object; then everything is.
fn lacking_objects(fleet: &mut Fleet, scene: &Scene, ways: &Ways) -> Result<()> {
    begin_without_objects(fleet, scene, ways)?;
    let edges: Vec<(&Workerd, &Hostile)> = fleet.edges().zip(&scene.lanes).collect();
    for ((edge, lane), (kind, _)) in edges.iter().zip(ways) {
        edge.forget_peak_memory()?;
        let before = edge.peak_memory()?;
        scene.lacks_objects(edge).with_context(|| (*kind).to_owned())?;
        // Many at once load no more than a few at once.
        let asked = Instant::now();
        thread::scope(|scope| {
            let one = || edge.edge("/v1/ping").key(&scene.usable.secret).send()?.must_be(503).map(drop);
            let all: Vec<_> = (0..20).map(|_| scope.spawn(one)).collect();
            all.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| anyhow::bail!("a request panicked")))
        })?;
        ensure!(asked.elapsed() < 2 * super::SOON, "{kind}: twenty answers took {:?}", asked.elapsed());
        grown_little(edge, before).with_context(|| format!("{kind}, of {} bytes", lane.taken()))?;
        ensure!(lane.asked().iter().any(|asked| asked.path.starts_with("objects/")), "{kind}: nobody has asked");
    }
    for ((edge, lane), (kind, _)) in edges.iter().zip(ways) {
        lane.answer([]);
        scene.judged(edge, [200, 401, 200]).with_context(|| format!("{kind} no more"))?;
    }
    Scene::nothing_forwarded(fleet)
}

fn endless_objects(fleet: &mut Fleet, scene: &Scene) -> Result<()> {
    lacking_objects(fleet, scene, &ENDLESS)?;
    // The settings of the first head of all: without them it does not count.
    for (at, (_, answer)) in ENDLESS.iter().enumerate() {
        scene.lanes[at].answer([("objects/*", answer.clone())]);
        scene.restart(fleet, at, &[])?;
    }
    for (edge, (kind, _)) in fleet.edges().zip(&ENDLESS) {
        let before = edge.peak_memory()?;
        scene.judged(edge, [503; 3]).with_context(|| format!("settings: {kind}"))?;
        ensure!(edge.status()?["state"] == "none", "settings: {kind}: {}", edge.status()?);
        grown_little(edge, before).with_context(|| format!("settings: {kind}"))?;
    }
    for ((edge, lane), (kind, _)) in fleet.edges().zip(&scene.lanes).zip(&ENDLESS) {
        lane.answer([]);
        applied(edge, scene.held).with_context(|| format!("settings: {kind} no more"))?;
        scene.judged(edge, [200, 401, 200]).with_context(|| format!("settings: {kind} no more"))?;
    }
    Scene::nothing_forwarded(fleet)
}

fn slow_objects(fleet: &mut Fleet, scene: &Scene) -> Result<()> {
    lacking_objects(fleet, scene, &SLOW)
}

fn extraneous(fleet: &mut Fleet, scene: &Scene) -> Result<()> {
    let more = Answer::TruthAnd(b"and more".to_vec());
    scene.lanes[1]
        .answer([("objects/*", more.clone()), (&format!("objects/{}", scene.true_head()?.1.settings), Answer::Truth)]);
    scene.restart(fleet, 1, &[])?;
    applied(fleet.edge(1), scene.held)?;
    scene.lacks_objects(fleet.edge(1))?;
    scene.lanes[1].answer([]);
    scene.judged(fleet.edge(1), [200, 401, 200])?;
    let attacks = [("behind the head", HEAD, more.clone()), ("behind all", "*", more)];
    scene.withstands(fleet, &attacks, is_stale)
}

fn redirected(fleet: &mut Fleet, scene: &Scene) -> Result<()> {
    // Elsewhere all of it would be had, and even true.
    let elsewhere = Hostile::start(&fleet.control_plane().url())?;
    let to_head = Answer::Redirect(format!("{}/head", elsewhere.url()));
    let attacks =
        [("the head lies elsewhere", HEAD, to_head), ("all lies elsewhere", "*", Answer::Redirect(elsewhere.url()))];
    scene.withstands(fleet, &attacks, is_stale)?;
    let credentials = scene.lanes.iter().flat_map(Hostile::asked).filter(|asked| asked.authorization.is_some());
    ensure!(credentials.count() > 0, "no credential was shown on the lane, so none could be carried elsewhere");
    ensure!(elsewhere.asked().is_empty(), "it was followed: {:?}", elsewhere.asked());
    Ok(())
}

fn wrong_keys(fleet: &mut Fleet, scene: &Scene) -> Result<()> {
    let (_, head) = scene.true_head()?;
    let other = SigningKey::from_seed(&[66; 32]);
    let signed = Heads::sign_as("keyward", &other, &Head { issued_at: head.issued_at + 1, ..head })?;
    // While a key is replaced edges trust both.
    let both = format!("{},{}", Heads::text(scene.heads.key()), Heads::text(&other));
    scene.restart(fleet, 1, &[("KEYWARD_PUBLIC_KEYS", &both)])?;
    applied(fleet.edge(1), scene.held)?;
    for lane in &scene.lanes {
        lane.answer([(HEAD, Answer::Bytes(signed.clone()))]);
    }
    scene.change()?;
    thread::sleep(ATTACK);
    for (edge, state) in fleet.edges().zip(["stale", "fresh"]) {
        scene.judged(edge, [200, 401, 200])?;
        let status = edge.status()?;
        ensure!(status["state"] == state, "{status}");
    }
    // One that was struck off counts for nothing from the first request on, however true it was.
    scene.lanes[1].answer([]);
    scene.restart(fleet, 1, &[("KEYWARD_PUBLIC_KEYS", &Heads::text(&other))])?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        scene.judged(fleet.edge(1), [503; 3])?;
    }
    ensure!(fleet.edge(1).status()?["state"] == "none", "{}", fleet.edge(1).status()?);
    Scene::nothing_forwarded(fleet)
}
