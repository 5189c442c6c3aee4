//! `KEYWARD_MODE=observe`: everything passes as it came, and the verdict is only told in the log.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::origin::Seen;
use keyward_tests::stack::{basic, eventually};
use keyward_tests::{Answer, Stack, Workerd};
use serde_json::{Value, json};

use crate::Test;

const OBSERVE: (&str, &str) = ("KEYWARD_MODE", "observe");

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::shared("observing_forwards_everything_unchanged", observing_forwards_everything),
        Test::shared("observing_logs_the_verdict", observing_logs_the_verdict),
        Test::shared("observing_passes_even_without_a_snapshot", observing_without_a_snapshot),
        Test::shared("observing_keeps_up_without_waiting", observing_keeps_up_without_waiting),
        Test::shared("observing_still_serves_its_own_endpoints", observing_still_serves_its_own_endpoints),
    ]
}

fn observing_forwards_everything(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key_with("observed", json!({"access": "read-only"}))?;
    let edge = Workerd::start(stack, &[OBSERVE])?;
    edge.applied(key.generation)?;
    let root = admin.fresh_name("observed");
    let usable = basic(&key.secret, "");
    let unknown = basic("0123456789abcdef0123456789abcdef", "");
    for (index, (method, authorization)) in [
        ("GET", Some(usable.as_str())),
        ("POST", Some(&usable)),
        ("GET", Some(&unknown)),
        ("DELETE", Some(&unknown)),
        ("GET", Some("Basic !")),
        ("GET", Some("Bearer of another kind")),
        ("GET", None),
        ("PUT", None),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{root}/{index};a=b/c%20d");
        let mut request = edge.edge(&format!("{path}?next=/.keyward/&x=%2F")).method(method);
        request = request.header("x-client", "kept").header("x-http-method-override", "PATCH");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        if method == "POST" || method == "PUT" {
            request = request.body("text/plain", "a body");
        }
        let answer = request.send()?.must_be(200).with_context(|| format!("{method} with {authorization:?}"))?;
        ensure!(answer.header("x-keyward-request-id").is_some(), "no request id");
        let seen = stack.origin().seen_at(&path);
        ensure!(seen.len() == 1, "the origin saw {seen:?}");
        is_unchanged(&seen[0], method, authorization)?;
    }
    Ok(())
}

fn is_unchanged(seen: &Seen, method: &str, authorization: Option<&str>) -> Result<()> {
    ensure!(seen.method == method && seen.query.as_deref() == Some("next=/.keyward/&x=%2F"), "{seen:?}");
    ensure!(seen.header("authorization").first().copied() == authorization, "{seen:?}");
    ensure!(seen.header("x-client") == ["kept"] && seen.header("x-http-method-override") == ["PATCH"], "{seen:?}");
    let body = if method == "POST" || method == "PUT" { "a body".len() } else { 0 };
    ensure!(seen.body_bytes == body, "{seen:?}");
    let ours: Vec<_> = seen.headers.iter().filter(|(name, _)| name.starts_with("x-keyward")).collect();
    ensure!(ours.is_empty(), "identity while observing: {ours:?}");
    Ok(())
}

/// The log's line on an answer.
fn verdict(edge: &Workerd, answer: &Answer) -> Result<Value> {
    let id = answer.header("x-keyward-request-id").context("no request id")?.to_owned();
    let mut verdict = None;
    eventually(Duration::from_secs(5), || {
        let log = edge.log()?;
        let mut lines = log.lines().filter(|line| line.contains(&format!("\"{id}\"")));
        let line = lines.find_map(|line| line.find('{').map(|start| line[start..].trim()));
        verdict = line.and_then(|line| serde_json::from_str::<Value>(line).ok());
        ensure!(verdict.is_some(), "the log has nothing on {id}");
        Ok(())
    })?;
    verdict.context("no verdict")
}

fn observing_logs_the_verdict(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let api = admin.fresh_name("logged");
    admin.api(&api, &json!([{"path_prefix": format!("/{api}")}]))?;
    let reader = admin.key_with("logged", json!({"access": "read-only", "apis": [api]}))?;
    let edge = Workerd::start(stack, &[OBSERVE])?;
    edge.applied(reader.generation)?;
    let path = format!("/{api}/a");
    for (what, request, status, code) in [
        ("a key that may", edge.edge(&path).key(&reader.secret), 200, "allowed"),
        ("a pong", edge.edge("/v1/ping").key(&reader.secret), 200, "allowed"),
        ("a key that may not write", edge.edge(&path).method("POST").key(&reader.secret), 403, "read_only_key"),
        ("a key without the API", edge.edge("/elsewhere").key(&reader.secret), 403, "api_not_granted"),
        ("a path of two readings", edge.edge(&format!("{path}//b")).key(&reader.secret), 403, "bad_path"),
        ("nobody", edge.edge(&path), 401, "unauthorized"),
        ("an unknown key", edge.edge(&path).key("0123456789abcdef0123456789abcdef"), 401, "unauthorized"),
    ] {
        let answer = request.send()?.must_be(200).context(what)?;
        let line = verdict(&edge, &answer).context(what)?;
        ensure!(line["keyward"] == "observed" && line["status"] == status && line["code"] == code, "{what}: {line}");
    }
    ensure!(!edge.log()?.contains(&reader.secret), "the log holds a key");
    Ok(())
}

/// A head is asked for at its pace, not only once it is too old to judge by. Of an allow nobody doubts.
fn observing_keeps_up_without_waiting(stack: &Stack) -> Result<()> {
    const PACE: Duration = Duration::from_secs(4);
    let admin = stack.admin()?;
    let key = admin.key("kept-up")?;
    let edge = Workerd::start(stack, &[OBSERVE, ("KEYWARD_HTTP_REFRESH_SECONDS", "4")])?;
    edge.applied(key.generation)?;
    let started = Instant::now();
    admin.act(&key, "disable", &json!({}))?;
    eventually(2 * PACE, || {
        let answer = edge.edge("/observed/kept-up").key(&key.secret).send()?.must_be(200)?;
        let line = verdict(&edge, &answer)?;
        ensure!(line["status"] == 401, "still {line}");
        Ok(())
    })?;
    ensure!(started.elapsed() < PACE * 3 / 2, "told after {:?}", started.elapsed());
    Ok(())
}

fn observing_without_a_snapshot(stack: &Stack) -> Result<()> {
    // A port that nobody listens on.
    let edge = Workerd::start_unready(stack, &[OBSERVE, ("KEYWARD_LANE_URL", "http://127.0.0.1:9/v1/snapshot")])?;
    let answer = edge.edge("/observed/blind").key("0123456789abcdef0123456789abcdef").send()?.must_be(200)?;
    let line = verdict(&edge, &answer)?;
    ensure!(line["status"] == 503 && line["code"] == "no_snapshot", "{line}");
    let none = Workerd::start(stack, &[OBSERVE, ("KEYWARD_ORIGIN", "")])?;
    let answer = none.edge("/observed/nowhere").send()?.must_be(404)?;
    ensure!(answer.json()?["code"] == "no_origin", "{}", answer.text());
    Ok(())
}

fn observing_still_serves_its_own_endpoints(stack: &Stack) -> Result<()> {
    let edge = Workerd::start(stack, &[OBSERVE])?;
    let status = edge.edge("/.keyward/status").send()?.must_be(200)?.json()?;
    ensure!(status["state"] == "fresh", "{status}");
    edge.edge("/.keyward/verify").send()?.must_be(403)?;
    edge.edge("/.keyward/other").send()?.must_be(404)?;
    ensure!(stack.origin().seen().iter().all(|seen| !seen.path.starts_with("/.keyward/")), "our own were forwarded");
    Ok(())
}
