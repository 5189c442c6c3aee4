//! Each verb counts at the edge: by the first request two and a half seconds later, whether the edge
//! is busy all the time or nobody has asked it anything.

mod bulk_cases;
mod cases;
mod people_cases;
mod workspace_cases;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use keyward_tests::Stack;
use keyward_tests::stack::generation;
use serde_json::json;

use crate::Test;
use crate::turns::QUIET;
use cases::{Case, Probe};

/// After this a change counts, over http, for whoever asks next.
const COUNTS_AFTER: Duration = Duration::from_millis(2_500);
/// An edge that nobody asked for so long has a head that it cannot believe without asking.
const IDLE: Duration = Duration::from_secs(5);
const BUSY_EVERY: Duration = Duration::from_millis(50);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::in_turn("every_verb_counts_on_a_busy_edge_by_the_first_request", &QUIET, on_a_busy_edge),
        Test::in_turn("every_verb_counts_on_an_idle_edge_by_the_first_requests", &QUIET, on_an_idle_edge),
        Test::in_turn("one_disable_counts_on_an_idle_edge_by_the_first_request", &QUIET, one_on_an_idle_edge),
        Test::in_turn("a_settings_change_counts_and_is_taken_back", &QUIET, settings),
    ]
}

fn on_a_busy_edge(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let bystander = admin.key("bystander")?;
    let cases = prepared(stack)?;
    stack.applied(bystander.generation)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic = scope.spawn(|| -> Result<u32> {
            let mut answered = 0;
            while !over.load(Ordering::Relaxed) {
                let answer = stack.edge("/v1/ping").key(&bystander.secret).send()?;
                answer.must_be(200).context("a key that nobody touched")?;
                answered += 1;
                thread::sleep(BUSY_EVERY);
            }
            Ok(answered)
        });
        let judged = (|| {
            let mut acted = Vec::new();
            for case in cases {
                let after = (case.act)(&admin).with_context(|| case.name)?;
                acted.push((case.name, Instant::now(), after));
            }
            for (name, at, after) in acted {
                thread::sleep(COUNTS_AFTER.saturating_sub(at.elapsed()));
                all_hold(stack, name, &after)?;
            }
            Ok(())
        })();
        over.store(true, Ordering::Relaxed);
        let answered = traffic.join().map_err(|_| anyhow!("the traffic broke off"))??;
        ensure!(answered > 20, "the edge was busy with {answered} requests only");
        judged
    })
}

fn on_an_idle_edge(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let cases = prepared(stack)?;
    thread::sleep(IDLE);
    let mut acted = Vec::new();
    for case in cases {
        acted.push((case.name, (case.act)(&admin).with_context(|| case.name)?));
    }
    thread::sleep(COUNTS_AFTER);
    // All at once: each of them finds an edge that has not asked for news yet.
    let probes: Vec<_> = acted.iter().flat_map(|(name, after)| after.iter().map(move |probe| (name, probe))).collect();
    let start = Barrier::new(probes.len());
    let wrong: Vec<String> = thread::scope(|scope| {
        let asking: Vec<_> = probes
            .iter()
            .map(|(name, probe)| {
                scope.spawn(|| {
                    start.wait();
                    probe.holds(stack).with_context(|| (**name).to_owned())
                })
            })
            .collect();
        let answers = asking.into_iter().map(|asked| asked.join().unwrap_or_else(|_| Err(anyhow!("broke off"))));
        answers.filter_map(|answer| answer.err().map(|error| format!("{error:#}"))).collect()
    });
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn one_on_an_idle_edge(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("idle")?;
    stack.applied(key.generation)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    thread::sleep(IDLE);
    admin.act(&key, "disable", &json!({}))?;
    thread::sleep(COUNTS_AFTER);
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
    thread::sleep(IDLE);
    admin.act(&key, "enable", &json!({}))?;
    thread::sleep(COUNTS_AFTER);
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    Ok(())
}

fn settings(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("settings")?;
    stack.applied(key.generation)?;
    let bearer =
        || stack.edge("/v1/ping").header("authorization", &format!("Bearer {}", key.secret)).send().map(|a| a.status);
    let ping_at = |path| stack.edge(path).key(&key.secret).send();
    ensure!(bearer()? == 401, "bearer is accepted before anybody wanted it");
    ping_at("/settings/ping")?.must_be(200)?;
    ensure!(stack.origin().seen_at("/settings/ping").len() == 1, "it is the origin's path for now");

    let changed = json!({"accept": ["basic", "bearer"], "realm": "Elsewhere", "ping_path": "/settings/ping"});
    admin.patch("/v1/settings", &changed)?.must_be(200)?;
    thread::sleep(COUNTS_AFTER);
    ensure!(bearer()? == 200, "bearer is not accepted yet");
    let pong = ping_at("/settings/ping")?.must_be(200)?;
    ensure!(pong.text() == r#"{"data":"pong!"}"#, "{}", pong.text());
    let refusal = stack.edge("/settings/ping").send()?.must_be(401)?;
    ensure!(refusal.header("www-authenticate") == Some("Basic realm=\"Elsewhere\", charset=\"UTF-8\""), "{refusal:?}");

    let before = json!({"accept": ["basic"], "realm": "API", "ping_path": "/v1/ping"});
    let answer = admin.patch("/v1/settings", &before)?.must_be(200)?.json()?;
    thread::sleep(COUNTS_AFTER);
    ensure!(bearer()? == 401, "bearer is still accepted");
    ping_at("/settings/ping")?.must_be(200)?;
    ensure!(stack.origin().seen_at("/settings/ping").len() == 2, "it is the origin's path again");
    stack.applied(generation(&answer)?)
}

/// All cases, made ready, with the edge in the state before them.
fn prepared(stack: &Stack) -> Result<Vec<Case>> {
    let admin = stack.admin()?;
    let cases = cases::all(&admin)?;
    let generation = admin.snapshot()?["generation"].as_u64().context("no generation")?;
    stack.applied(generation)?;
    for case in &cases {
        all_hold(stack, case.name, &case.before).context("before anything was done")?;
    }
    Ok(cases)
}

fn all_hold(stack: &Stack, name: &str, probes: &[Probe]) -> Result<()> {
    probes.iter().try_for_each(|probe| probe.holds(stack)).with_context(|| name.to_owned())
}
