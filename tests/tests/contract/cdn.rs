//! The http lane with a caching proxy in front, as a CDN would be.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::cdn::{Asked, Cdn, Keeping};
use keyward_tests::stack::{NewKey, eventually, generation};
use keyward_tests::{Fleet, FleetOptions, Lanes, Options, Stack, Workerd};
use serde_json::json;
use xtask::parts::ports;

use crate::Test;
use crate::edges::heard;
use crate::turns::{alone, fleet};

/// What the cache and all edges show the lane.
const TOKEN: &str = "lane-token-of-the-tests-0123456789abcdef";
const HEAD: &str = "/v1/snapshot/head";
/// Mutation acknowledged to first refusal: 0.25 s to a head, a second in the cache, a second between two
/// polls, and what a cache that counts in whole seconds adds.
const SEEN: Duration = Duration::from_secs(3);
/// Two requests that wait for no lane are answered in less; who waits for one waits for as long as it takes, half a
/// second at most.
const NOT_WAITED: Duration = Duration::from_millis(200);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::alone("many_edges_behind_a_cache_are_few_to_the_control_plane", || alone(&options(), few_reach_it)),
        Test::alone("a_change_is_seen_through_a_cache_and_the_credential_is_not", || alone(&options(), change_is_seen)),
        Test::alone("no_verdict_changes_when_the_cache_is_away_or_has_an_older_head", || {
            alone(&options(), older_or_away)
        })
        .slow(),
        Test::alone("a_newer_head_from_kv_counts_while_the_http_lane_shows_an_older_one", || {
            fleet(&FleetOptions::new(1, Lanes::Both).variable("KEYWARD_KV_REFRESH_SECONDS", "1"), kv_is_newer)
        })
        .slow(),
    ]
}

fn options() -> Options {
    Options { lanes: Lanes::Http, ..Options::default() }.setting("KEYWARD_LANE_TOKEN", TOKEN)
}

fn cdn(stack: &Stack) -> Result<Cdn> {
    Cdn::start(&stack.folder().join("cdn"), ports::free()?, &stack.control_plane_url(), Keeping::AsTold)
}

/// An edge whose lane leads to the cache.
fn edge_behind(stack: &Stack, cdn: &Cdn) -> Result<Workerd> {
    let reports = format!("{}/v1/edges/report", stack.control_plane_url());
    let lane = cdn.lane();
    let variables = [("KEYWARD_LANE_URL", &*lane), ("KEYWARD_LANE_TOKEN", TOKEN), ("KEYWARD_REPORT_URL", &*reports)];
    Workerd::start(stack, &variables)
}

fn few_reach_it(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("many")?;
    let cdn = cdn(stack)?;
    for _ in 0..2 {
        let edge = edge_behind(stack, &cdn)?;
        edge.applied(key.generation)?;
        edge.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    }
    // Two edges have judged by the same objects, and of each the control plane was asked once.
    let mut objects: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
    for asked in cdn.asked()?.into_iter().filter(|asked| asked.path != HEAD) {
        objects.entry(asked.path.clone()).or_default().push(asked);
    }
    ensure!(objects.values().any(|asked| asked.len() >= 2), "no object was asked for twice: {objects:?}");
    for asked in objects.values() {
        ensure!(asked.iter().filter(|asked| !asked.was_held).count() == 1, "{asked:?}");
    }

    let (before, client) = (cdn.asked()?.len(), cdn.client(Some(TOKEN)));
    thread::scope(|scope| {
        let poll = |phase: u64| {
            thread::sleep(Duration::from_millis(phase * 20));
            for _ in 0..3 {
                client.get(HEAD)?.must_be(200)?;
                thread::sleep(Duration::from_secs(1));
            }
            anyhow::Ok(())
        };
        let polls: Vec<_> = (0..50).map(|phase| scope.spawn(move || poll(phase))).collect();
        polls.into_iter().try_for_each(|poll| poll.join().ok().context("a poll panicked")?)
    })?;
    let polls = cdn.asked()?.split_off(before);
    let reached = polls.iter().filter(|asked| !asked.was_held).count();
    ensure!(polls.len() >= 150 && (1..=6).contains(&reached), "{reached} of {} polls went through", polls.len());

    // The head lies in the cache now, and is nobody's who does not show the token.
    for (token, status) in [(Some(TOKEN), 200), (None, 401), (Some("not-the-token"), 401), (Some(TOKEN), 200)] {
        cdn.client(token).get(HEAD)?.must_be(status)?;
        for path in objects.keys().take(1) {
            cdn.client(token).get(path)?.must_be(status)?;
        }
    }
    // What is not there now may be there soon.
    let nothing = format!("/v1/snapshot/objects/{}", "0".repeat(64));
    let before = cdn.asked()?.len();
    for _ in 0..3 {
        cdn.client(Some(TOKEN)).get(&nothing)?.must_be(404)?;
    }
    let asked = cdn.asked()?.split_off(before);
    ensure!(asked.len() == 3 && asked.iter().all(|asked| asked.status == 404 && !asked.was_held), "{asked:?}");
    Ok(())
}

fn change_is_seen(stack: &Stack) -> Result<()> {
    let (admin, cdn) = (stack.admin()?, cdn(stack)?);
    let key = admin.key("seen")?;
    let edge = edge_behind(stack, &cdn)?;
    for (verb, status) in [("disable", 401), ("enable", 200), ("disable", 401), ("enable", 200), ("archive", 401)] {
        admin.act(&key, verb, &json!({}))?;
        let acknowledged = Instant::now();
        while edge.edge("/v1/ping").key(&key.secret).send()?.status != status {
            ensure!(acknowledged.elapsed() < SEEN, "{verb}: not seen in {SEEN:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
    // The edge reports, past the cache; to that it has shown the lane's token only.
    heard(&stack.admin()?, &edge, |_| Ok(()))?;
    let asked = cdn.asked()?;
    ensure!(asked.iter().all(|asked| asked.authorization == format!("Bearer {TOKEN}")), "{asked:?}");
    // Which opens nothing else.
    for path in ["/v1/snapshot", "/v1/keys/lookup", "/v1/edges/report"] {
        let answer = stack.admin_with(TOKEN).send("POST", path, &[], Some(&json!({})))?;
        ensure!(matches!(answer.status, 403 | 405), "{path}: {}", answer.status);
    }
    Ok(())
}

fn older_or_away(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (kept, disabled) = (admin.key("kept")?, admin.key("disabled")?);
    let listen = ports::free()?;
    let (folder, origin) = (stack.folder().to_owned(), stack.control_plane_url());
    let good = Cdn::start(&folder.join("good"), listen, &origin, Keeping::AsTold)?;
    let edge = edge_behind(stack, &good)?;
    edge.applied(disabled.generation)?;
    // A second cache takes the head as it is now, and keeps it.
    let stuck = Cdn::start(&folder.join("stuck"), ports::free()?, &origin, Keeping::AnHour)?;
    let older = stuck.client(Some(TOKEN)).get(HEAD)?.must_be(200)?.body;
    drop(stuck);
    let wanted = generation(&admin.act(&disabled, "disable", &json!({}))?)?;
    edge.applied(wanted)?;

    let verdicts = |wanted_state: &str| {
        let patience = Instant::now();
        let mut state = String::new();
        while patience.elapsed() < Duration::from_secs(4) {
            edge.edge("/v1/ping").key(&kept.secret).send()?.must_be(200)?;
            edge.edge("/v1/ping").key(&disabled.secret).send()?.must_be(401)?;
            let status = edge.edge("/.keyward/status").send()?.must_be(200)?.json()?;
            ensure!(generation(&status)? >= wanted, "it went back: {status}");
            status["state"].as_str().unwrap_or_default().clone_into(&mut state);
            thread::sleep(Duration::from_millis(100));
        }
        ensure!(state == wanted_state, "{state} instead of {wanted_state}");
        anyhow::Ok(())
    };
    verdicts("fresh")?;
    drop(good);
    verdicts("stale").context("away")?;
    let stuck = Cdn::start(&folder.join("stuck"), listen, &origin, Keeping::AnHour)?;
    ensure!(stuck.client(Some(TOKEN)).get(HEAD)?.must_be(200)?.body == older, "the cache has a newer head");
    verdicts("stale").context("an older head")?;
    // After some seconds without an answer it may not have asked at once.
    verdicts("stale").context("an older head for longer")?;
    let polled = stuck.asked()?.iter().filter(|asked| asked.path == HEAD && asked.was_held).count();
    ensure!(polled >= 3, "the edge has not asked: {polled}");
    drop(stuck);
    let _good = Cdn::start(&folder.join("good"), listen, &origin, Keeping::AsTold)?;
    verdicts("fresh").context("back")
}

/// The http lane answers with what was an hour ago, and KV has the news: these count, nothing waits, and the edge
/// says that the lane which should have told it at once does not confirm them.
fn kv_is_newer(fleet: &mut Fleet) -> Result<()> {
    let admin = fleet.admin()?;
    let (kept, disabled) = (admin.key("kept")?, admin.key("disabled")?);
    fleet.published()?;
    let stuck =
        Cdn::start(&fleet.folder().join("stuck"), ports::free()?, &fleet.control_plane().url(), Keeping::AnHour)?;
    fleet.stop_edge(0)?;
    fleet.start_edge(0, &[("KEYWARD_LANE_URL", &stuck.lane())])?;
    let ping = |key: &NewKey| fleet.edge(0).edge("/v1/ping").key(&key.secret).send();
    ping(&disabled)?.must_be(200)?;
    let wanted = generation(&admin.act(&disabled, "disable", &json!({}))?)?;
    fleet.published()?;
    eventually(Duration::from_secs(10), || {
        let status = fleet.edge(0).status()?;
        ensure!(generation(&status)? >= wanted, "KV's head is not taken: {status}");
        Ok(())
    })?;
    let (began, mut slow) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(10) {
        let asked = Instant::now();
        ping(&disabled)?.must_be(401)?;
        ping(&kept)?.must_be(200)?;
        slow += usize::from(asked.elapsed() > NOT_WAITED);
        let status = fleet.edge(0).status()?;
        ensure!(generation(&status)? >= wanted, "it went back: {status}");
        // What the lane confirmed before lasts two seconds.
        if began.elapsed() > Duration::from_secs(4) {
            ensure!(status["state"] == "stale", "the lane that counts confirms nothing: {status}");
        }
        thread::sleep(Duration::from_millis(50));
    }
    // The machine is busy with other tests; who waits for a lane waits twenty times in these ten seconds.
    ensure!(slow <= 3, "{slow} pairs of answers took more than {NOT_WAITED:?}");
    let polled = stuck.asked()?.iter().filter(|asked| asked.path == HEAD && asked.was_held).count();
    ensure!(polled >= 5, "the http lane was asked {polled} times");
    heard(&admin, fleet.edge(0), |told| {
        ensure!(told["counters"]["rollback_ignored"].as_u64() >= Some(5), "what the http lane shows is not told of");
        Ok(())
    })?;
    Ok(())
}
