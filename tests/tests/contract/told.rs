//! What an edge counts is told though no request follows, whichever way a request comes, and however many
//! keys there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keyward_shared::report::Report;
use keyward_tests::reports::Reports;
use keyward_tests::stack::{Admin, NewKey, eventually, generation};
use keyward_tests::{Stack, Workerd};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::QUIET;

/// The pause between two reports, and some more on a busy machine.
const REPORTED: Duration = Duration::from_secs(30);
/// No head that was confirmed before is fresh after this.
const IDLE: Duration = Duration::from_secs(5);
/// More than the keys whose usage is told one by one.
const MANY: usize = 4_200;
const PROXY_SECRET: &str = "a proxy's own secret";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("a_call_is_told_though_no_other_follows", last_calls),
        Test::shared("what_a_proxy_asks_about_is_told_though_nothing_else_is_asked", proxied),
        Test::in_turn("of_more_keys_than_a_report_names_every_call_is_told", &QUIET, many).slow(),
    ]
}

/// Reads a key until that holds, and asks no edge meanwhile.
fn reads(admin: &Admin, key: &NewKey, holds: impl Fn(&Value) -> bool) -> Result<()> {
    eventually(REPORTED, || {
        let read = admin.get(&key.path())?.must_be(200)?.json()?;
        ensure!(holds(&read), "{read}");
        Ok(())
    })
}

fn last_calls(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (disabled, usable) = (admin.key("last-refused")?, admin.key("last-allowed")?);
    let generation = generation(&admin.act(&disabled, "disable", &json!({}))?)?;
    let edge = Workerd::start(stack, &[])?;
    edge.applied(generation)?;
    for _ in 0..2 {
        // The request waits for the head to be confirmed, and is counted behind that.
        thread::sleep(IDLE);
        edge.edge("/v1/ping").key(&disabled.secret).send()?.must_be(401)?;
        reads(&admin, &disabled, |key| key["denied_since"].is_string())?;
        // Just after a report, and nothing after it.
        edge.edge("/v1/ping").key(&usable.secret).send()?.must_be(200)?;
        reads(&admin, &usable, |key| key["last_used_at"].is_string())?;
        admin.act(&disabled, "enable", &json!({}))?;
        let disabled = admin.act(&disabled, "disable", &json!({}))?;
        ensure!(disabled["key"]["denied_since"].is_null(), "{disabled}");
    }
    Ok(())
}

fn proxied(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (disabled, usable) = (admin.key("proxied-refused")?, admin.key("proxied-allowed")?);
    let generation = generation(&admin.act(&disabled, "disable", &json!({}))?)?;
    let reports = Reports::start(stack)?;
    let variables = [
        ("KEYWARD_PROXY_SECRET", PROXY_SECRET),
        ("KEYWARD_CLIENT_ADDRESS", "peer"),
        ("KEYWARD_REPORT_URL", &*reports.url()),
    ];
    let edge = Workerd::start(stack, &variables)?;
    edge.applied(generation)?;
    let verify = |key: &str, secret: &str, status: u16| {
        let asked = edge.edge("/.keyward/verify/v1/ping").key(key).header("x-keyward-proxy", secret);
        asked.header("x-forwarded-for", "198.51.100.9, 203.0.113.9").send()?.must_be(status)
    };
    verify(&usable.secret, PROXY_SECRET, 200)?;
    verify(&disabled.secret, PROXY_SECRET, 401)?;
    verify(&disabled.secret, "another", 403)?;
    reads(&admin, &usable, |key| key["last_used_at"].is_string())?;
    reads(&admin, &disabled, |key| key["denied_since"].is_string())?;
    let taken = reports.taken()?;
    let addresses: Vec<_> = taken.iter().flat_map(|report| &report.envelope.addresses).collect();
    ensure!(addresses.len() == 1, "{addresses:?}");
    ensure!(addresses[0].address == "203.0.113.9" && addresses[0].count == 1, "{addresses:?}");
    let instance = hex::encode(taken.first().context("no report")?.envelope.instance);
    let edges = admin.get("/v1/edges?limit=100")?.must_be(200)?.json()?;
    let is_listed = edges["items"].as_array().is_some_and(|all| all.iter().any(|edge| edge["id"] == instance));
    ensure!(is_listed, "{edges}");
    Ok(())
}

fn many(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let workspace = admin.workspace("many")?["id"].as_str().context("no id")?.to_owned();
    let secret = |number: usize| format!("{workspace}-of-many-{number:05}");
    let line = |number: usize| {
        json!({"external_id": number.to_string(), "workspace": workspace, "name": number.to_string(),
            "access": "read-only", "apis": ["*"], "secret": secret(number)})
    };
    let brought = admin.import(&(0..MANY).map(line).collect::<Vec<_>>())?;
    ensure!(brought.len() == MANY && brought.iter().all(|key| key["outcome"] == "created"), "{:?}", brought.last());
    let newest = brought.iter().filter_map(|key| key["generation"].as_u64()).max().context("nothing changed")?;
    let reports = Reports::start(stack)?;
    let edge = Workerd::start(stack, &[("KEYWARD_REPORT_URL", &*reports.url())])?;
    edge.applied(newest)?;
    let calls = |report: &Report| {
        report.body.usage.iter().map(|usage| u64::from(usage.calls)).sum::<u64>() + report.body.others.calls
    };
    // All of them fall between two reports.
    reports.shut(true);
    each(MANY, |number| edge.edge("/v1/ping").key(&secret(number)).send()?.must_be(200).map(drop))?;
    reports.shut(false);
    // Two reports, each of which is sent twice, with pauses that have grown.
    eventually(4 * REPORTED, || {
        // Makes it report, however often its reports were lost, and counts for nobody.
        edge.edge("/v1/ping").send()?.must_be(401)?;
        let told: u64 = reports.taken()?.iter().map(calls).sum();
        ensure!(told == u64::try_from(MANY)?, "{told} calls");
        Ok(())
    })?;
    ensure!(reports.taken()?.iter().any(|report| report.body.others.calls > 0), "no report was of so many keys");
    for report in reports.taken()? {
        ensure!(report.body.usage.len() <= 4_096 && report.body.usage.iter().all(|usage| usage.refused == 0));
        let others = report.body.others;
        ensure!((others.calls > 0) == (report.body.usage.len() == 4_096 && others.last > 0), "{others:?}");
    }
    let counted = count(&reports.taken()?);
    ensure!(counted == u64::try_from(MANY)?, "{counted} allowed");
    Ok(())
}

fn count(reports: &[Report]) -> u64 {
    let counters = reports.iter().flat_map(|report| &report.body.counters);
    counters.filter(|(counter, _)| counter.as_str() == "allowed").map(|(_, count)| u64::from(*count)).sum()
}

/// Does this for each number, eight at a time.
fn each(numbers: usize, ask: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= numbers {
                            return Ok(());
                        }
                        ask(number)?;
                    }
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().ok().context("a thread panicked")?)
    })
}
