//! WebAssembly panics, or has no memory left: the request that met it is refused, the next one is judged.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keyward_tests::reports::Reports;
use keyward_tests::stack::{eventually, generation};
use keyward_tests::{Options, Stack, Workerd};
use serde_json::json;

use crate::Test;
use crate::turns::alone;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("after_a_panic_the_next_request_is_judged", || {
            alone(&Options { edge_features: &["test-panic"], ..Options::default() }, |stack| {
                panics(stack)?;
                forgets(stack)
            })
        })
        .slow(),
        Test::alone("after_memory_is_exhausted_the_next_request_is_judged", || {
            alone(&Options { edge_features: &["test-panic"], ..Options::default() }, exhausts)
        })
        .slow(),
    ]
}

fn panics(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (usable, disabled) = (admin.key("usable")?, admin.key("disabled")?);
    stack.applied(generation(&admin.act(&disabled, "disable", &json!({}))?)?)?;
    // The new instance counts its settings from one again, as the first did when it was first asked.
    let challenge = || -> Result<String> {
        let refusal = stack.edge("/v1/ping").send()?.must_be(401)?;
        Ok(refusal.header("www-authenticate").unwrap_or_default().to_owned())
    };
    ensure!(challenge()?.contains("\"API\""), "another realm than the default: {}", challenge()?);
    let renamed = admin.patch("/v1/settings", &json!({"realm": "Renamed"}))?.must_be(200)?.json()?;
    stack.applied(renamed["generation"].as_u64().unwrap_or_default())?;
    stack.edge("/test-panic").send()?;
    stack.edge("/v1/ping").key(&usable.secret).send()?.must_be(200)?;
    ensure!(challenge()?.contains("\"Renamed\""), "a realm of before: {}", challenge()?);
    for round in 0..3 {
        stack.edge("/v1/ping").key(&usable.secret).send()?.must_be(200)?;
        let failed = stack.edge("/test-panic").key(&usable.secret).send()?;
        ensure!((500..600).contains(&failed.status), "round {round}: the panic was answered {failed:?}");
        ensure!(failed.header("x-keyward-request-id").is_some(), "no request id to find it by");
        ensure!(!failed.text().contains("panic"), "what broke is for the log: {}", failed.text());
        // The very next ones, each on the synchronous path.
        stack.edge("/v1/ping").key(&disabled.secret).send()?.must_be(401)?;
        stack.edge("/v1/ping").key(&usable.secret).send()?.must_be(200)?;
        stack.edge(&format!("/after-panic/{round}")).key(&usable.secret).send()?.must_be(200)?;
        ensure!(stack.origin().seen_at(&format!("/after-panic/{round}")).len() == 1);
    }
    ensure!(stack.origin().seen_at("/test-panic").is_empty(), "a request that was never judged was forwarded");
    let log = fs::read_to_string(stack.edge_log())?;
    ensure!(log.contains("a panic that was asked for"), "the log does not say what happened");
    ensure!(log.contains(&said(stack)?), "the log does not say to which version");
    Ok(())
}

/// How the log names the version that an edge says it is.
fn said(stack: &Stack) -> Result<String> {
    let version = stack.edge_status()?["version"].as_str().context("no version")?.to_owned();
    Ok(format!("\"version\":\"{version}\""))
}

/// An instance has 4 GiB at most, and its memory never shrinks: the next one begins with its own.
fn exhausts(stack: &Stack) -> Result<()> {
    const MOST: u64 = 4 << 30;
    let admin = stack.admin()?;
    let (usable, disabled) = (admin.key("usable")?, admin.key("disabled")?);
    stack.applied(generation(&admin.act(&disabled, "disable", &json!({}))?)?)?;
    let edge = Workerd::start(stack, &[])?;
    for round in 0..2 {
        edge.edge("/v1/ping").key(&usable.secret).send()?.must_be(200)?;
        let failed = edge.edge("/test-exhaust").key(&usable.secret).send()?;
        ensure!((500..600).contains(&failed.status), "round {round}: it was answered {failed:?}");
        ensure!(failed.json()?["code"] == "internal", "{failed:?}");
        edge.edge("/v1/ping").key(&disabled.secret).send()?.must_be(401)?;
        edge.edge("/v1/ping").key(&usable.secret).send()?.must_be(200)?;
        edge.edge(&format!("/after-memory/{round}")).key(&usable.secret).send()?.must_be(200)?;
        ensure!(stack.origin().seen_at(&format!("/after-memory/{round}")).len() == 1);
        let bytes = edge.status()?["memory"]["wasm_bytes"].as_u64().context("no figure")?;
        ensure!(bytes < MOST / 32, "the new instance has {bytes} bytes already");
    }
    ensure!(stack.origin().seen_at("/test-exhaust").is_empty(), "a request that was never judged was forwarded");
    let log = edge.log()?;
    let lines = log.lines().filter(|line| line.contains("\"keyward\":\"internal\""));
    let told: Vec<_> = lines.filter(|line| line.contains("RuntimeError")).collect();
    ensure!(told.len() == 2 && told.iter().all(|line| line.contains("wasm_bytes")), "{log}");
    let version = said(stack)?;
    ensure!(told.iter().all(|line| line.contains(&version)), "no version: {log}");
    for line in told {
        let bytes = line.split_once("\"wasm_bytes\":").map(|(_, rest)| rest.trim_end_matches(['}', '\n']));
        let bytes: u64 = bytes.context("no figure")?.parse().with_context(|| line.to_owned())?;
        ensure!(bytes > MOST / 8, "it had {bytes} bytes, which is far from all");
    }
    Ok(())
}

/// What was counted and not reported is gone with the memory, and that is told: once. A report that had not
/// arrived is sent again, for it lay elsewhere.
fn forgets(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("forgotten")?;
    let reports = Reports::start(stack)?;
    let edge = Workerd::start(stack, &[("KEYWARD_REPORT_URL", &reports.url())])?;
    edge.applied(key.generation)?;
    let ping = || edge.edge("/v1/ping").key(&key.secret).send()?.must_be(200).map(drop);
    ping()?;
    eventually(Duration::from_secs(20), || {
        ensure!(!reports.passed().is_empty(), "nothing was reported");
        Ok(())
    })?;
    ping()?;
    edge.edge("/test-panic").key(&key.secret).send()?;
    ping()?;
    ping()?;
    eventually(Duration::from_mins(1), || {
        edge.edge("/v1/ping").send()?.must_be(401)?;
        let taken = reports.taken()?;
        let gap = taken.iter().position(|report| report.envelope.lost).context("no gap was told")?;
        ensure!(gap > 0 && reports.passed().iter().filter(|one| one.bytes == reports.passed()[0].bytes).count() == 2);
        let calls = taken[gap..].iter().flat_map(|report| &report.body.usage).map(|usage| usage.calls).sum::<u32>();
        ensure!(calls == 2, "{calls} calls behind the gap");
        ensure!(taken[gap + 1..].iter().all(|report| !report.envelope.lost), "told again");
        Ok(())
    })
}
