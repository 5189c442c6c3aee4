//! The control plane is killed at each step of a publish and started again: nothing is lost, objects
//! come before the head that names them, and the publisher's epoch goes up.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use keyward_tests::Stack;
use keyward_tests::heads::Heads;
use keyward_tests::kv::{Asked, Fault};
use keyward_tests::stack::{eventually, generation};
use serde_json::json;

use crate::Test;
use crate::turns::KV_ONLY;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::in_turn("killed_before_the_objects_it_publishes_them_on_restart", &KV_ONLY, |stack| {
            killed(stack, "before", |asked| if is_bulk(asked) { Fault::Stall } else { Fault::None })
        }),
        Test::in_turn("killed_between_objects_and_head_it_publishes_on_restart", &KV_ONLY, |stack| {
            killed(stack, "between", |asked| if is_head(asked) { Fault::Stall } else { Fault::None })
        }),
        Test::in_turn("killed_after_the_objects_without_their_answer_it_publishes_on_restart", &KV_ONLY, |stack| {
            killed(stack, "objects", |asked| if is_bulk(asked) { Fault::LoseAnswer } else { Fault::None })
        }),
        Test::in_turn("killed_after_the_head_without_its_answer_it_publishes_on_restart", &KV_ONLY, |stack| {
            killed(stack, "head", |asked| if is_head(asked) { Fault::LoseAnswer } else { Fault::None })
        }),
    ]
}

fn is_bulk(asked: &Asked) -> bool {
    matches!(asked, Asked::PutBulk(_))
}

fn is_head(asked: &Asked) -> bool {
    *asked == Asked::Put("head".to_owned())
}

/// The generations at which the control plane has said, over its restarts, that it goes on.
fn said(stack: &Stack) -> Result<Vec<u64>> {
    let log = fs::read_to_string(stack.control_plane_log())?;
    let lines = log.lines().filter(|line| line.contains("publishing is resumed"));
    let generation = |line: &str| {
        let (_, behind) = line.split_once("generation=")?;
        behind.split(' ').next()?.parse().ok()
    };
    lines.map(|line| generation(line).with_context(|| format!("no generation: {line}"))).collect()
}

/// Changes the settings, which makes an object, kills the control plane at the step that `rule`
/// breaks, changes nothing else, starts it again.
fn killed(stack: &Stack, at: &str, rule: fn(&Asked) -> Fault) -> Result<()> {
    let (admin, kv) = (stack.admin()?, stack.kv()?);
    let heads = Heads::of(stack.control_plane())?;
    let before = admin.key("before-the-crash")?;
    eventually(Duration::from_secs(10), || {
        let snapshot = admin.snapshot()?;
        ensure!(snapshot["published_generation"].as_u64() >= Some(before.generation), "{snapshot}");
        Ok(())
    })?;
    let seen = kv.calls().len();
    let epoch_before = heads.in_order(&kv.calls())?.last().context("nothing was published")?.epoch;

    kv.fail(rule);
    let realm = format!("Killed {at}");
    let settings = admin.patch("/v1/settings", &json!({"realm": realm}))?.must_be(200)?.json()?;
    kv.wait_for(seen, |call| call.fault != Fault::None)?;
    let after = admin.key("at-the-crash")?;
    let disabled = admin.act(&before, "disable", &json!({}))?;
    ensure!(generation(&settings)? < generation(&disabled)?);
    let audit = admin.get(&before.path())?.must_be(200)?.json()?;
    stack.kill_control_plane()?;
    kv.work();
    let said_before = said(stack)?.len();

    stack.start_control_plane()?;
    ensure!(admin.get(&before.path())?.must_be(200)?.json()? == audit, "the key reads otherwise after the crash");
    eventually(Duration::from_secs(15), || {
        let snapshot = admin.snapshot()?;
        ensure!(snapshot["generation"] == disabled["generation"], "a change is lost: {snapshot}");
        ensure!(snapshot["published_generation"] == disabled["generation"], "{snapshot}");
        Ok(())
    })?;
    let published = heads.in_order(&kv.calls())?;
    let last = published.last().context("nothing was published")?;
    ensure!(last.epoch > epoch_before, "epoch {} was not raised", last.epoch);
    let said = said(stack)?.split_off(said_before);
    let [resumed] = said[..] else { bail!("it says that it goes on at {said:?}") };
    ensure!((before.generation..=generation(&disabled)?).contains(&resumed), "it says that it goes on at {resumed}");
    stack.applied(generation(&disabled)?)?;
    stack.edge("/v1/ping").key(&after.secret).send()?.must_be(200)?;
    let refusal = stack.edge("/v1/ping").key(&before.secret).send()?.must_be(401)?;
    let challenge = refusal.header("www-authenticate").unwrap_or_default();
    ensure!(challenge.contains(&realm), "{challenge}");
    Ok(())
}
