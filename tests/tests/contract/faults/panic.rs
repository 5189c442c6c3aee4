//! WebAssembly panics: the request that met it is refused, the next one is judged.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keyward_tests::reports::Reports;
use keyward_tests::stack::eventually;
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
    ]
}

fn panics(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (usable, disabled) = (admin.key("usable")?, admin.key("disabled")?);
    let generation = admin.act(&disabled, "disable", &json!({}))?["generation"].as_u64().unwrap_or_default();
    stack.applied(generation)?;
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
    let log = std::fs::read_to_string(stack.edge_log())?;
    ensure!(log.contains("a panic that was asked for"), "the log does not say what happened");
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
