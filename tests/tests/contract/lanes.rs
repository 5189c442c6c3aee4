//! The two ways in which an edge learns of a change: each alone, and both while one of them dies.

use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::clients::{node, run};
use keyward_tests::fake_kv::{Fault, When};
use keyward_tests::heads::Heads;
use keyward_tests::stack::{NewKey, eventually, generation};
use keyward_tests::{Fleet, FleetOptions, Lanes, Options, Stack, Times, Workerd};
use serde_json::{Value, json};
use xtask::build::edge::{self, Variant};
use xtask::parts::http::Client;
use xtask::setup;

use crate::Test;
use crate::turns::{KV_ONLY, QUIET, alone, fleet};

/// Between two refreshes of the edge; the stacks set one second for KV too.
const REFRESH: Duration = Duration::from_millis(1_050);
const ASK_EVERY: Duration = Duration::from_millis(50);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::in_turn("over_kv_alone_a_change_arrives_by_the_second_refresh", &KV_ONLY, kv_alone),
        Test::in_turn("kv_takes_few_writes_however_many_changes_there_are", &KV_ONLY, few_writes),
        Test::alone("over_http_alone_changes_and_objects_arrive", || {
            alone(&Options { lanes: Lanes::Http, ..Options::default() }, http_alone)
        }),
        Test::alone("over_kv_alone_that_is_as_late_as_the_platform_a_change_arrives_within_two_minutes", || {
            fleet(&FleetOptions::new(1, Lanes::Kv), late_kv)
        })
        .long(),
        Test::in_turn("no_verdict_changes_when_the_control_plane_dies", &QUIET, control_plane_dies),
        Test::shared("a_lane_that_lags_does_not_confirm_a_newer_head", lagging),
    ]
}

/// Writes show a minute late and lie in a cache for half of one, and the edge asks every 31 s: a disable and an
/// enable, each known within the sum of these, and never taken back.
fn late_kv(fleet: &mut Fleet) -> Result<()> {
    const BOUND: Duration = Duration::from_secs(125);
    let admin = fleet.admin()?;
    let (ends, begins) = (admin.key("ends")?, admin.key("begins")?);
    admin.act(&begins, "disable", &json!({}))?;
    let before = generation(&fleet.published()?)?;
    let status = |key: &NewKey| -> Result<u16> { Ok(fleet.edge(0).edge("/v1/ping").key(&key.secret).send()?.status) };
    eventually(3 * Duration::from_secs(31), || {
        let held = generation(&fleet.edge(0).status()?)?;
        ensure!(held >= before && status(&begins)? == 401 && status(&ends)? == 200, "generation {held}");
        Ok(())
    })?;
    let late = When::read().then(Fault::ShowAfter(Duration::from_mins(1)));
    fleet.kv()?.script([late, When::read().then(Fault::CacheFor(Duration::from_secs(30)))]);
    admin.act(&ends, "disable", &json!({}))?;
    admin.act(&begins, "enable", &json!({}))?;
    let acknowledged = Instant::now();
    let mut known = [None; 2];
    while acknowledged.elapsed() < BOUND + REFRESH {
        for (known, (key, then)) in known.iter_mut().zip([(&ends, 401), (&begins, 200)]) {
            let is_right = status(key)? == then;
            ensure!(is_right || known.is_none(), "{then} was answered, and now is not");
            *known = known.or(is_right.then(|| acknowledged.elapsed()));
        }
        thread::sleep(ASK_EVERY);
    }
    for took in known {
        let took = took.context("the change never arrived")?;
        ensure!((Duration::from_secs(55)..BOUND).contains(&took), "it took {took:?}");
    }
    Ok(())
}

fn kv_alone(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let heads = Heads::of(stack.control_plane())?;
    let key = admin.key("kv")?;
    let mut secret = key.secret.clone();
    for (verb, body, status) in [
        ("", json!({}), 200),
        ("disable", json!({}), 401),
        ("enable", json!({}), 200),
        ("rotate", json!({"grace_seconds": 0}), 200),
        ("archive", json!({}), 401),
    ] {
        let wanted = if verb.is_empty() {
            key.generation
        } else {
            let answer = admin.act(&key, verb, &body)?;
            if let Some(new) = answer["secret"].as_str() {
                new.clone_into(&mut secret);
            }
            generation(&answer)?
        };
        let carries = |value: &[u8]| heads.read(value).is_ok_and(|head| head.generation >= wanted);
        stack.kv()?.wait_for(0, |call| call.is_done() && call.is_head() && carries(&call.value))?;
        let mut refreshes = 0;
        while generation(&stack.edge_status()?).ok() < Some(wanted) {
            refreshes += 1;
            ensure!(refreshes <= 2, "{verb}: two refreshes, and the edge still says {}", stack.edge_status()?);
            thread::sleep(REFRESH);
        }
        stack.edge("/v1/ping").key(&secret).send()?.must_be(status).with_context(|| verb.to_owned())?;
    }
    ensure!(stack.edge_status()?["state"] == "fresh");
    heads.in_order(&stack.kv()?.calls()).map(drop)
}

fn few_writes(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("often")?;
    let seen = stack.kv()?.calls().len();
    let started = Instant::now();
    let mut last = 0;
    while started.elapsed() < Duration::from_secs(4) {
        for verb in ["disable", "enable"] {
            last = generation(&admin.act(&key, verb, &json!({}))?)?;
        }
        thread::sleep(Duration::from_millis(20));
    }
    eventually(Duration::from_secs(5), || {
        let snapshot = admin.snapshot()?;
        ensure!(snapshot["published_generation"] == json!(last), "{snapshot}");
        Ok(())
    })?;
    let calls = stack.kv()?.calls().split_off(seen);
    let gaps = |of: Vec<Instant>| of.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(Duration::MAX);
    let heads = gaps(calls.iter().filter(|call| call.is_head()).map(|call| call.at).collect());
    ensure!(heads >= Duration::from_secs(1), "two heads within {heads:?}: KV takes one write a second");
    let all = gaps(calls.iter().map(|call| call.at).collect());
    ensure!(all >= Duration::from_millis(400), "two calls within {all:?}");
    let took = calls.last().map(|last| last.at - calls[0].at).context("KV was never called")?;
    let most = 2.0 * took.as_secs_f64() + 2.0;
    ensure!(u32::try_from(calls.len()).map(f64::from)? <= most, "{} calls within {took:?}", calls.len());
    Heads::of(stack.control_plane())?.in_order(&stack.kv()?.calls()).map(drop)
}

fn http_alone(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("http")?;
    let snapshot = admin.snapshot()?;
    stack.applied(key.generation)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    let disabled = admin.act(&key, "disable", &json!({}))?;
    thread::sleep(Duration::from_millis(2_500));
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
    ensure!(generation(&stack.edge_status()?)? >= generation(&disabled)?);
    let other = admin.key("http-cold")?;
    ensure!(snapshot["published_generation"].as_u64() > Some(0), "what the lane serves is published: {snapshot}");

    // In the tree now, and an edge that starts anew has nothing but what it asks for.
    eventually(Duration::from_secs(20), || {
        let snapshot = admin.snapshot()?;
        ensure!(snapshot["tree_generation"].as_u64() >= Some(other.generation), "{snapshot}");
        Ok(())
    })?;
    stack.stop_edge()?;
    stack.start_edge()?;
    stack.edge("/v1/ping").key(&other.secret).send()?.must_be(200)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;

    // Alone and dead: what was loaded goes on being judged, and the edge says that it is stale.
    stack.kill_control_plane()?;
    let (started, mut times) = (Instant::now(), Times::default());
    while started.elapsed() < Duration::from_secs(4) {
        times.of(|| {
            stack.edge("/v1/ping").key(&other.secret).send()?.must_be(200)?;
            stack.edge("/v1/ping").key(&key.secret).send()?.must_be(401)
        })?;
        thread::sleep(ASK_EVERY);
    }
    times.all_but_one_below(Duration::from_millis(1_500)).context("two answers")?;
    let status = stack.edge_status()?;
    ensure!(status["state"] == "stale", "{status}");
    Ok(())
}

fn control_plane_dies(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (usable, disabled, narrow) =
        (admin.key("usable")?, admin.key("disabled")?, admin.key_with("narrow", json!({"access": "read-only"}))?);
    admin.act(&disabled, "disable", &json!({}))?;
    let new = admin.rotate(&usable, 600)?;
    stack.applied(admin.act(&usable, "rotation/pause", &json!({}))?["generation"].as_u64().context("generation")?)?;
    let unknown = format!("{}x", &usable.secret[..usable.secret.len() - 1]);
    let verdicts = || -> Result<Vec<u16>> {
        let asked = [
            stack.edge("/v1/ping").key(&new.secret),
            stack.edge("/v1/ping").key(&usable.secret),
            stack.edge("/v1/ping").key(&disabled.secret),
            stack.edge("/dies").key(&narrow.secret),
            stack.edge("/dies").key(&narrow.secret).method("POST"),
            stack.edge("/v1/ping").key(&unknown),
            stack.edge("/v1/ping"),
        ];
        asked.into_iter().map(|request| Ok(request.send()?.status)).collect()
    };
    let before = verdicts()?;
    ensure!(before == [200, 401, 401, 200, 403, 401, 401], "{before:?}");
    let known = stack.edge_status()?["generation"].clone();
    eventually(Duration::from_secs(5), || {
        let (served, written) = (admin.get("/v1/snapshot/head")?, stack.kv_namespace()?.get("/values/head")?);
        ensure!(served.must_be(200)?.body == written.must_be(200)?.body, "KV has not got the newest head yet");
        Ok(())
    })?;
    stack.kill_control_plane()?;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(6) {
        let now = verdicts()?;
        ensure!(now == before, "{:?} after its death the verdicts are {now:?}", started.elapsed());
        thread::sleep(ASK_EVERY);
    }
    // Its last head lies in KV and goes on being confirmed from there.
    let status = stack.edge_status()?;
    ensure!(status["state"] == "fresh" && status["generation"] == known, "{status}");
    thread::sleep(Duration::from_secs(5));
    ensure!(verdicts()? == before, "the verdicts changed while nobody asked");
    stack.start_control_plane()?;
    stack.applied(generation(&admin.act(&disabled, "enable", &json!({}))?)?)?;
    stack.edge("/v1/ping").key(&disabled.secret).send()?.must_be(200)?;
    Ok(())
}

/// KV has a newer head, and the http lane says of the older one, which it was asked about, that nothing is newer.
fn lagging(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let variables =
        Workerd::variables(stack, &[("KEYWARD_KV_LANE", "on"), ("KEYWARD_LANE_URL", "http://lane.test/cdn")])?;
    let credential = variables.get("KEYWARD_EDGE_CREDENTIAL").context("no credential")?;
    let lane = format!("{}/v1/snapshot", stack.control_plane_url());
    let client = Client::new(&lane, Some(credential.clone()));
    let head = |generation: u64| -> Result<(u64, String)> {
        let mut held = (0, String::new());
        eventually(Duration::from_secs(20), || {
            let bytes = client.get("/head")?.must_be(200)?.body;
            let heads = Heads::of(stack.control_plane())?;
            held = (heads.read(&bytes)?.generation, hex::encode(&bytes));
            ensure!(held.0 >= generation, "generation {} of {generation}", held.0);
            Ok(())
        })?;
        Ok(held)
    };
    let (older, before) = head(admin.key("lagging")?.generation)?;
    let (newer, after) = head(admin.key("lagging")?.generation)?;
    let asked = json!({
        "module": edge::entry(&setup::tools()?, Variant::default())?,
        "variables": variables,
        "objects": format!("{lane}/objects"),
        "credential": credential,
        "heads": {"older": before, "newer": after},
    });
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("input");
    fs::write(&input, asked.to_string())?;
    let said = run(node().arg("tests/node/lagging.mjs").stdin(File::open(input)?))?;
    let told: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let told: Vec<_> = told.iter().map(|told| (told["generation"].as_u64(), told["state"].as_str())).collect();
    let expected = [(older, "fresh"), (newer, "stale"), (newer, "fresh")];
    let expected = expected.map(|(generation, state)| (Some(generation), Some(state)));
    ensure!(told == expected, "{told:?}, expected {expected:?}");
    Ok(())
}
