//! Many keys at once.

use anyhow::{Context, Result, ensure};
use keyward_tests::stack::generation;
use keyward_tests::{Stack, clock};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::QUIET;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("a_dry_run_of_a_bulk_change_stops_no_key_and_its_etag_does_what_it_showed", dry_run),
        Test::shared("keys_not_used_for_90_days_are_stopped_and_no_other", unused),
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

/// Keys that nobody used count from when they were made.
fn unused(stack: &Stack) -> Result<()> {
    const DAY_MS: i64 = 86_400_000;
    let admin = stack.admin()?;
    let new = admin.key("unused")?;
    let days_ago = |days| clock::rfc3339(clock::now_ms() - days * DAY_MS);
    let of_age = |days: i64| format!("{}-{days}-days-old", new.id);
    let mut lines = Vec::new();
    for days in [89, 91, 400] {
        lines.push(json!({"external_id": days.to_string(), "workspace": new.workspace, "name": days.to_string(),
            "access": "read-only", "apis": ["*"], "secret": of_age(days), "created_at": days_ago(days)?}));
    }
    let brought = admin.import(&lines)?;
    ensure!(brought.iter().all(|result| result["outcome"] == "created"), "{brought:?}");
    let path = format!("/v1/workspaces/{}/keys/bulk", new.workspace);
    let body = json!({"filter": {"last_used_before": days_ago(90)?}, "action": "disable"});
    let mut preview = body.clone();
    preview["dry_run"] = json!(true);
    let shown = admin.post(&path, &preview)?.must_be(200)?;
    let tag = shown.header("etag").context("no etag")?;
    let done = admin.send("POST", &path, &[("if-match", tag)], Some(&body))?.must_be(200)?.json()?;
    ensure!(done["changed"] == 2, "{done}");
    let both = [&brought[1]["key_id"], &brought[2]["key_id"]];
    // Nobody asked with them before: it would have been a use.
    let judged = |generation, old: u16| -> Result<()> {
        stack.applied(generation)?;
        for (secret, status) in [(&new.secret, 200), (&of_age(89), 200), (&of_age(91), old), (&of_age(400), old)] {
            stack.edge("/v1/ping").key(secret).send()?.must_be(status)?;
        }
        Ok(())
    };
    judged(generation(&done)?, 401)?;
    let back = admin.post(&path, &json!({"ids": both, "action": "enable"}))?.must_be(200)?.json()?;
    judged(generation(&back)?, 200)
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
