//! Many keys at once.

use anyhow::{Context, Result, ensure};
use keyward_tests::Stack;
use keyward_tests::stack::generation;
use serde_json::{Value, json};

use crate::Test;
use crate::turns::QUIET;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("a_dry_run_of_a_bulk_change_stops_no_key_and_its_etag_does_what_it_showed", dry_run),
        // More than a head carries: the others' changes would wait for the tree as well.
        Test::in_turn("a_thousand_keys_stop_at_the_edge_by_one_call", &QUIET, thousand).slow(),
    ]
}

fn dry_run(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("dry-run")?;
    stack.applied(key.generation)?;
    let path = format!("/v1/workspaces/{}/keys/bulk", key.workspace);
    let body = |dry_run: bool| json!({"filter": {"status": "active"}, "action": "disable", "dry_run": dry_run});
    let before = admin.snapshot()?["generation"].clone();
    let shown = admin.post(&path, &body(true))?.must_be(200)?;
    let etag = shown.header("etag").context("no ETag")?.to_owned();
    let shown = shown.json()?;
    ensure!(shown["etag"] == etag && shown["generation"] == Value::Null, "{shown}");
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    let second = admin.key_in(&key.workspace, "dry-run", json!({}))?;
    let act = |etag: &str| admin.send("POST", &path, &[("if-match", etag)], Some(&body(false)));
    act(&etag)?.must_be(412)?;
    stack.applied(second.generation)?;
    stack.edge("/v1/ping").key(&second.secret).send()?.must_be(200)?;
    let shown = admin.post(&path, &body(true))?.must_be(200)?.json()?;
    let done = act(shown["etag"].as_str().context("no etag")?)?.must_be(200)?.json()?;
    ensure!(done["keys"] == shown["keys"], "{done}");
    ensure!(before.as_u64() < Some(generation(&done)?), "{done}");
    stack.applied(generation(&done)?)?;
    for secret in [&key.secret, &second.secret] {
        stack.edge("/v1/ping").key(secret).send()?.must_be(401)?;
    }
    Ok(())
}

fn thousand(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let first = admin.key("thousand")?;
    let mut keys = vec![first.clone()];
    for _ in 1..1_000 {
        keys.push(admin.key_in(&first.workspace, "thousand", json!({}))?);
    }
    let path = format!("/v1/workspaces/{}/keys/bulk", first.workspace);
    let filter = json!({"environment": "live"});
    for (action, status) in [("disable", 401), ("enable", 200), ("delete", 401)] {
        let done = admin.post(&path, &json!({"filter": filter, "action": action}))?.must_be(200)?.json()?;
        ensure!(done["changed"] == 1_000 && done["more"] == false, "{action}: {}", done["changed"]);
        stack.applied(generation(&done)?)?;
        for key in keys.iter().step_by(111) {
            stack.edge("/v1/ping").key(&key.secret).send()?.must_be(status)?;
        }
    }
    Ok(())
}
