//! Clients that people use, unchanged but for the base URL.

use std::process::Command;

use anyhow::{Result, ensure};
use keyward_tests::clients::{node, python, run};
use keyward_tests::stack::NewKey;
use keyward_tests::{Stack, clock};

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("chartmogul_for_python_pings", chartmogul_for_python_pings),
        Test::shared("chartmogul_for_node_pings", chartmogul_for_node_pings),
        Test::shared("chartmogul_for_node_reaches_the_origin", chartmogul_for_node_reaches_the_origin),
        Test::shared("requests_for_python_sends_the_key_as_user", requests_for_python_sends_the_key_as_user),
    ]
}

/// A key as it is generated, and one of 32 hexadecimal digits that was brought as its SHA-256.
fn keys(stack: &Stack) -> Result<[NewKey; 2]> {
    let admin = stack.admin()?;
    let generated = admin.key("client")?;
    let name = admin.fresh_name("brought");
    let digits = format!("{:016x}{:016x}", clock::now_ms(), name.bytes().map(u64::from).fold(7, |a, b| a * 31 + b));
    let brought = admin.bring(&generated.workspace, "client", &digits)?;
    stack.applied(brought.generation)?;
    Ok([generated, brought])
}

fn with(mut command: Command, stack: &Stack, key: &str) -> Command {
    command.env("EDGE_URL", stack.edge_url()).env("API_KEY", key);
    command
}

fn chartmogul_for_python_pings(stack: &Stack) -> Result<()> {
    let ping = |key: &str| {
        let mut command = with(python()?, stack, key);
        run(command.arg("tests/python/chartmogul_ping.py"))
    };
    for key in keys(stack)? {
        let said = ping(&key.secret)?;
        ensure!(said == "pong!\n", "the client said {said}");
    }
    let said = ping("0123456789abcdef0123456789abcdee")?;
    ensure!(said.starts_with("APIError") && said.contains("unauthorized"), "the client said {said}");
    Ok(())
}

fn chartmogul_for_node_pings(stack: &Stack) -> Result<()> {
    let ping = |key: &str| {
        let mut command = with(node(), stack, key);
        run(command.args(["tests/node/chartmogul.cjs", "ping"]))
    };
    for key in keys(stack)? {
        let said = ping(&key.secret)?;
        ensure!(said == "{\"data\":\"pong!\"}\n", "the client said {said}");
    }
    let said = ping("0123456789abcdef0123456789abcdef")?;
    ensure!(said == "refused 401\n", "the client said {said}");
    Ok(())
}

/// This client's GET has a body, `{}`.
fn chartmogul_for_node_reaches_the_origin(stack: &Stack) -> Result<()> {
    for key in keys(stack)? {
        let mut command = with(node(), stack, &key.secret);
        let said = run(command.args(["tests/node/chartmogul.cjs", "plans"]))?;
        ensure!(said.contains(r#""path":"/v1/plans""#), "the client said {said}");
        let seen = stack.origin().seen_at("/v1/plans");
        let seen = seen.iter().find(|seen| seen.header("x-keyward-key-id") == [key.id.as_str()]);
        ensure!(
            seen.is_some_and(|seen| seen.query.as_deref() == Some("per_page=2") && seen.body_bytes == 2),
            "the origin saw {seen:?}"
        );
    }
    Ok(())
}

fn requests_for_python_sends_the_key_as_user(stack: &Stack) -> Result<()> {
    for key in keys(stack)? {
        let path = format!("/requests/{}", key.id);
        let mut command = with(python()?, stack, &key.secret);
        let said = run(command.args(["tests/python/requests_basic.py", "/v1/ping", path.as_str()]))?;
        let mut lines = said.lines();
        ensure!(lines.next() == Some(r#"200 {"data":"pong!"}"#), "the client said {said}");
        ensure!(lines.next().is_some_and(|line| line.starts_with("200 ")), "the client said {said}");
        ensure!(stack.origin().seen_at(&path).len() == 1, "the origin saw {:?}", stack.origin().seen_at(&path));
    }
    let mut command = with(python()?, stack, "0123456789abcdef0123456789abcdef");
    let said = run(command.args(["tests/python/requests_basic.py", "/v1/ping"]))?;
    ensure!(said.starts_with("401 "), "the client said {said}");
    Ok(())
}
