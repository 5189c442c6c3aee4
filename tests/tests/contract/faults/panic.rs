//! WebAssembly panics: the request that met it is refused, the next one is judged.

use anyhow::{Result, ensure};
use keyward_tests::{Options, Stack};
use serde_json::json;

use crate::Test;
use crate::turns::alone;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("after_a_panic_the_next_request_is_judged", || {
            alone(&Options { edge_features: &["test-panic"], ..Options::default() }, panics)
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
