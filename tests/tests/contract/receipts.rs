//! Where a change has arrived: an answer that waits for every edge, and the receipt of a generation.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::clock::ms_of;
use keyward_tests::stack::{NewKey, eventually, generation};
use keyward_tests::{Lanes, Options, Stack, Workerd};
use serde_json::{Value, json};
use xtask::parts::http::Answer;

use crate::Test;
use crate::edges::instance;
use crate::turns::alone;

const ASK_EVERY: Duration = Duration::from_millis(100);
/// The pause between two reports, and some more on a busy machine.
const REPORTED: Duration = Duration::from_secs(40);
/// An edge asks once a second and reports at once where somebody waits.
const ARRIVED: Duration = Duration::from_secs(8);

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::alone("an_answer_waits_until_every_live_edge_has_applied_the_change", || {
        alone(&Options { lanes: Lanes::Http, ..Options::default() }, waits)
    })]
}

/// Does something while edges have requests to answer, as without any they neither ask nor report.
pub(crate) fn while_asked<T>(stack: &Stack, edges: &[&Workerd], then: impl FnOnce() -> Result<T>) -> Result<T> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| -> Result<()> {
            while !done.load(Ordering::Relaxed) {
                stack.edge("/v1/ping").send()?.must_be(401)?;
                for edge in edges {
                    edge.edge("/v1/ping").send()?.must_be(401)?;
                }
                thread::sleep(ASK_EVERY);
            }
            Ok(())
        });
        let result = then();
        done.store(true, Ordering::Relaxed);
        asking.join().ok().context("asking panicked")??;
        result
    })
}

/// Changes a key, preferring to wait.
fn act(stack: &Stack, key: &NewKey, verb: &str, wait: &str) -> Result<(Answer, Duration)> {
    let began = Instant::now();
    let path = format!("{}/{verb}", key.path());
    let answer = stack.admin()?.send("POST", &path, &[("prefer", wait)], Some(&json!({})))?;
    Ok((answer.must_be(200)?, began.elapsed()))
}

fn edges_of(receipt: &Value, member: &str) -> Result<Vec<String>> {
    let edges = receipt[member].as_array().with_context(|| format!("no {member}: {receipt}"))?;
    Ok(edges.iter().filter_map(|edge| edge["edge"].as_str().map(str::to_owned)).collect())
}

fn waits(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("waited-for")?;
    let (one, other) = (Workerd::start(stack, &[])?, Workerd::start(stack, &[])?);
    let ids = [instance(&one)?, instance(&other)?];
    let last = while_asked(stack, &[&one, &other], || {
        eventually(REPORTED, || {
            let listed = admin.get("/v1/edges?limit=100")?.must_be(200)?.text();
            ensure!(ids.iter().all(|id| listed.contains(id)), "not all were heard from: {listed}");
            Ok(())
        })?;
        let mut last = 0;
        for round in 0..10 {
            let (verb, status) = if round % 2 == 0 { ("disable", 401) } else { ("enable", 200) };
            let (answer, took) = act(stack, &key, verb, "wait=20")?;
            ensure!(answer.header("preference-applied") == Some("wait"), "{verb} after {took:?}: {}", answer.text());
            ensure!(took < ARRIVED, "{verb} took {took:?}");
            // Not soon: every edge judges by it now.
            for edge in [&one, &other] {
                edge.edge("/v1/ping").key(&key.secret).send()?.must_be(status)?;
            }
            last = generation(&answer.json()?)?;
            println!("{verb}: applied by every edge after {took:?}");
        }
        Ok(last)
    })?;
    let receipt = admin.get(&format!("/v1/generations/{last}"))?.must_be(200)?.json()?;
    let applied = edges_of(&receipt, "applied")?;
    ensure!(ids.iter().all(|id| applied.contains(id)), "{receipt}");
    ensure!(edges_of(&receipt, "unconfirmed")?.iter().all(|edge| !ids.contains(edge)), "{receipt}");
    let times = ["committed_at", "published_at", "certain_at"].map(|member| ms_of(&receipt[member]));
    let times: Vec<i64> = times.into_iter().collect::<Result<_>>()?;
    ensure!(times.is_sorted(), "{receipt}");
    ensure!(receipt["kv_published_at"].is_null(), "{receipt}");

    // One that is gone is live for a minute: it is waited for, and told of.
    drop(other);
    while_asked(stack, &[&one], || {
        let (answer, took) = act(stack, &key, "disable", "wait=3")?;
        ensure!(answer.header("preference-applied").is_none() && took >= Duration::from_secs(3), "{took:?}");
        let path = format!("/v1/generations/{}", generation(&answer.json()?)?);
        let receipt = admin.get(&path)?.must_be(200)?.json()?;
        ensure!(edges_of(&receipt, "applied")?.contains(&ids[0]), "{receipt}");
        ensure!(edges_of(&receipt, "unconfirmed")?.contains(&ids[1]), "{receipt}");
        Ok(())
    })?;

    // A control plane that stops answers who waits: the change is made, and who has applied it is not said.
    thread::scope(|scope| {
        let waiting = scope.spawn(|| act(stack, &key, "enable", "wait=25"));
        thread::sleep(Duration::from_secs(2));
        let began = Instant::now();
        stack.stop_control_plane()?;
        ensure!(began.elapsed() < Duration::from_secs(6), "it stopped after {:?}", began.elapsed());
        let (answer, _) = waiting.join().ok().context("the wait panicked")??;
        ensure!(answer.header("preference-applied").is_none(), "{}", answer.text());
        Ok(())
    })?;
    stack.start_control_plane()
}
