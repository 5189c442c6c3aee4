//! The shortest way through: a key made at the control plane is used at the edge.

use anyhow::{Result, ensure};
use keyward_tests::Stack;
use keyward_tests::stack::{eventually, generation};
use serde_json::json;
use std::time::Duration;

use crate::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("a_generated_key_gets_its_pong", a_generated_key_gets_its_pong),
        Test::shared("a_disabled_key_is_refused_and_enabled_again", a_disabled_key_is_refused),
        Test::shared("the_origin_learns_who_calls", the_origin_learns_who_calls),
    ]
}

fn a_generated_key_gets_its_pong(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("ping")?;
    stack.applied(key.generation)?;
    let answer = stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    ensure!(answer.text() == r#"{"data":"pong!"}"#, "the answer is {}", answer.text());
    ensure!(answer.header("x-keyward-request-id").is_some(), "no request id");
    Ok(())
}

fn a_disabled_key_is_refused(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("disable")?;
    stack.applied(key.generation)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;

    let disabled = admin.act(&key, "disable", &json!({}))?;
    stack.applied(generation(&disabled)?)?;
    let refusal = stack.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
    ensure!(refusal.header("www-authenticate").is_some_and(|value| value.starts_with("Basic realm=")));

    let enabled = admin.act(&key, "enable", &json!({}))?;
    stack.applied(generation(&enabled)?)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    Ok(())
}

fn the_origin_learns_who_calls(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("identity")?;
    stack.applied(key.generation)?;
    let path = format!("/identity/{}", key.id);
    stack.edge(&path).key(&key.secret).send()?.must_be(200)?;
    eventually(Duration::from_secs(5), || {
        let seen = stack.origin().seen_at(&path);
        ensure!(seen.len() == 1, "the origin saw {} requests", seen.len());
        ensure!(seen[0].header("x-keyward-key-id") == [key.id.as_str()], "{:?}", seen[0]);
        ensure!(seen[0].header("x-keyward-workspace-id") == [key.workspace.as_str()]);
        ensure!(seen[0].header("x-keyward-access") == ["read-write"]);
        ensure!(seen[0].header("x-keyward-member-id").len() == 1);
        ensure!(seen[0].header("authorization").is_empty(), "the credential was forwarded");
        Ok(())
    })
}
