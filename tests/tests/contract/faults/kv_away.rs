//! KV is away, refuses, or loses its answer: changes are made all the same and published later.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::Stack;
use keyward_tests::heads::Heads;
use keyward_tests::kv::{Asked, Fault};
use keyward_tests::stack::{Admin, eventually, generation};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::KV_ONLY;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::in_turn("kv_away_the_change_is_made_and_the_lag_is_shown", &KV_ONLY, |stack| {
            lags_and_recovers(stack, Fault::Away, "cannot be reached")
        }),
        Test::in_turn("kv_answers_500_the_change_is_made_and_the_lag_is_shown", &KV_ONLY, |stack| {
            lags_and_recovers(stack, Fault::Status(500), "answered 500")
        }),
        Test::in_turn("kv_answers_429_the_change_is_made_and_the_lag_is_shown", &KV_ONLY, |stack| {
            lags_and_recovers(stack, Fault::Status(429), "answered 429")
        }),
        Test::in_turn("kv_loses_its_answers_and_the_head_is_written_again", &KV_ONLY, loses_answers),
        Test::in_turn("retries_leave_kv_more_and_more_room", &KV_ONLY, backoff),
    ]
}

fn lags_and_recovers(stack: &Stack, fault: Fault, says: &str) -> Result<()> {
    let (admin, kv) = (stack.admin()?, stack.kv()?);
    let key = admin.key("lag")?;
    stack.applied(key.generation)?;
    published(&admin)?;
    let seen = kv.calls().len();
    kv.fail(move |_| fault);
    let asked = Instant::now();
    let disabled = generation(&admin.act(&key, "disable", &json!({}))?)?;
    ensure!(asked.elapsed() < Duration::from_secs(5), "the change waited {:?} for KV", asked.elapsed());
    kv.wait_for(seen, |call| call.fault == fault)?;
    let snapshot = lagging(&admin, says)?;
    ensure!(snapshot["generation"] == json!(disabled), "{snapshot}");
    ensure!(snapshot["published_generation"].as_u64() < Some(disabled), "{snapshot}");
    admin.get("/readyz")?.must_be(200).context("changes can be made, so it is ready")?;
    // The edge goes on with what it has.
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    kv.work();
    let snapshot = published(&admin)?;
    ensure!(snapshot["last_error"].is_null(), "{snapshot}");
    stack.applied(disabled)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
    Heads::of(stack.control_plane())?.in_order(&kv.calls()).map(drop)
}

fn loses_answers(stack: &Stack) -> Result<()> {
    let (admin, kv) = (stack.admin()?, stack.kv()?);
    let key = admin.key("lost-answer")?;
    published(&admin)?;
    let seen = kv.calls().len();
    // The head's answers only: objects whose answers are lost are written again before any head.
    kv.fail(|asked| if matches!(asked, Asked::Put(_)) { Fault::LoseAnswer } else { Fault::None });
    let disabled = generation(&admin.act(&key, "disable", &json!({}))?)?;
    kv.wait_for(seen, |call| call.is_head() && call.status == Some(200))?;
    // KV has it, though nobody was told; saying less than is true is the safe side.
    stack.applied(disabled)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(401)?;
    let snapshot = lagging(&admin, "")?;
    ensure!(snapshot["published_generation"].as_u64() < Some(disabled), "{snapshot}");
    kv.work();
    published(&admin)?;
    let written = kv.calls().split_off(seen).iter().filter(|call| call.is_head()).count();
    ensure!(written >= 2, "the head was written {written} times");
    Ok(())
}

fn backoff(stack: &Stack) -> Result<()> {
    let (admin, kv) = (stack.admin()?, stack.kv()?);
    let key = admin.key("backoff")?;
    published(&admin)?;
    let seen = kv.calls().len();
    kv.fail(|_| Fault::Status(503));
    admin.act(&key, "disable", &json!({}))?;
    eventually(Duration::from_secs(15), || {
        let calls = kv.calls().len() - seen;
        ensure!(calls >= 3, "{calls} calls");
        Ok(())
    })?;
    let calls = kv.calls().split_off(seen);
    let gaps: Vec<Duration> = calls.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    ensure!(gaps[0] >= Duration::from_millis(950) && gaps[1] >= Duration::from_millis(1_900), "{gaps:?}");
    kv.work();
    published(&admin).map(drop)
}

/// Waits until everything is published.
fn published(admin: &Admin) -> Result<Value> {
    let mut last = Value::Null;
    eventually(Duration::from_secs(20), || {
        last = admin.snapshot()?;
        ensure!(last["published_generation"] == last["generation"], "{last}");
        Ok(())
    })?;
    Ok(last)
}

/// Waits until the reason for the lag is told.
fn lagging(admin: &Admin, says: &str) -> Result<Value> {
    let mut last = Value::Null;
    eventually(Duration::from_secs(5), || {
        last = admin.snapshot()?;
        ensure!(last["last_error"].as_str().is_some_and(|error| error.contains(says)), "{last}");
        Ok(())
    })?;
    Ok(last)
}
