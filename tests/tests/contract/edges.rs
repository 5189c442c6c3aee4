//! What edges tell the control plane of themselves.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keyward_tests::stack::{Admin, eventually, generation};
use keyward_tests::{Stack, Workerd};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::QUIET;

/// The longest pause between two attempts of an edge whose reports do not arrive, a minute, and what one takes on a
/// busy machine. Where they arrive there are ten seconds between two.
const REPORTED: Duration = Duration::from_secs(75);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::in_turn("an_edge_tells_what_it_applied", &QUIET, tells),
        Test::in_turn("what_an_edge_could_not_report_is_reported_once_when_it_can", &QUIET, tells_later),
    ]
}

/// Asks the edge and waits until the control plane has heard of this from it.
pub(crate) fn heard(admin: &Admin, edge: &Workerd, check: impl Fn(&Value) -> Result<()>) -> Result<Value> {
    let mut told = Value::Null;
    eventually(REPORTED, || {
        let id = instance(edge)?;
        let edges = admin.get("/v1/edges?limit=100")?.must_be(200)?.json()?;
        let edges = edges["items"].as_array().context("no list")?;
        told = edges.iter().find(|edge| edge["id"] == id).cloned().context("nothing was heard from it")?;
        check(&told).with_context(|| told.to_string())
    })?;
    Ok(told)
}

/// How an edge is named: its request ids begin with it. Asked for at a path that needs no key.
pub(crate) fn instance(edge: &Workerd) -> Result<String> {
    let answer = edge.edge("/v1/ping").send()?;
    let id = answer.header("x-keyward-request-id").context("no request id")?;
    Ok(id.split('-').next().unwrap_or_default().to_owned())
}

fn tells(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("told")?;
    let edge = Workerd::start(stack, &[])?;
    edge.applied(key.generation)?;
    edge.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    let first = heard(&admin, &edge, |told| {
        ensure!(told["generation"].as_u64() >= Some(key.generation));
        Ok(())
    })?;
    let status = edge.edge("/.keyward/status").send()?.must_be(200)?.json()?;
    for (member, expected) in [
        ("version", status["version"].clone()),
        ("epoch", status["epoch"].clone()),
        ("lanes", json!(["http"])),
        ("state", json!("fresh")),
        ("live", json!(true)),
    ] {
        ensure!(first[member] == expected, "{member}: {first}");
    }
    ensure!(first["applied_at"].is_string() && first["peppers"].as_array().is_some_and(|all| all.len() == 1));

    let disabled = generation(&admin.act(&key, "disable", &json!({}))?)?;
    edge.applied(disabled)?;
    edge.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
    let then = heard(&admin, &edge, |told| {
        ensure!(told["generation"].as_u64() >= Some(disabled));
        ensure!(told["counters"]["disabled"] == 1 && told["counters"]["allowed"] == 1);
        Ok(())
    })?;
    ensure!(then["first_seen_at"] == first["first_seen_at"] && then["id"] == first["id"], "{then}");
    Ok(())
}

fn tells_later(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("later")?;
    let edge = Workerd::start(stack, &[])?;
    edge.applied(key.generation)?;
    edge.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    heard(&admin, &edge, |_| Ok(()))?;
    stack.kill_control_plane()?;
    // Long enough for one of them to find a report due, which nobody takes.
    for _ in 0..4 {
        edge.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
        thread::sleep(Duration::from_secs(4));
    }
    ensure!(edge.log()?.contains("report_not_sent"), "no report was tried");
    stack.start_control_plane()?;
    let allowed = |times: u64| {
        heard(&admin, &edge, |told| {
            ensure!(told["counters"]["allowed"] == times);
            Ok(())
        })
    };
    allowed(5)?;
    // What came again would be counted with what is counted after it.
    edge.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    allowed(6).map(drop)
}
