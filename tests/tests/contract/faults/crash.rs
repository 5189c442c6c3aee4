//! The control plane is killed at each step of a publish and started again: nothing is lost, objects
//! come before the head that names them, and the publisher's epoch goes up.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use keyward_tests::Stack;
use keyward_tests::heads::Heads;
use keyward_tests::kv::{Asked, Fault};
use keyward_tests::stack::{NewKey, eventually, generation};
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

/// The generations of what happened around the crash, oldest first.
struct Story {
    settings: u64,
    made: u64,
    disabled: u64,
}

/// Asks for some refreshes, while nothing publishes: each time the edge judges by one generation as a whole, be it
/// the old one or the new, and which it is does not go back. Gives the last.
fn judges_as_a_whole(stack: &Stack, story: &Story, realm: &str, [old, new]: [&NewKey; 2]) -> Result<u64> {
    let (began, mut last) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(3) {
        let held = generation(&stack.edge_status()?)?;
        let answers = [&old.secret, &new.secret].map(|secret| stack.edge("/v1/ping").key(secret).send());
        let refusal = stack.edge("/v1/ping").send()?.must_be(401)?;
        if generation(&stack.edge_status()?)? != held {
            // It has changed meanwhile.
            continue;
        }
        ensure!(held >= last, "generation {held} after {last}");
        last = held;
        let expected = [(held < story.disabled), (held >= story.made)].map(|allows| if allows { 200 } else { 401 });
        for (answer, expected) in answers.into_iter().zip(expected) {
            answer?.must_be(expected).with_context(|| format!("by generation {held}"))?;
        }
        let is_new = refusal.header("www-authenticate").unwrap_or_default().contains(realm);
        ensure!(is_new == (held >= story.settings), "generation {held}: {refusal:?}");
        thread::sleep(Duration::from_millis(100));
    }
    ensure!(last > 0, "nothing was judged by one generation");
    Ok(last)
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
    stack.applied(before.generation)?;
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
    let (settings, made, disabled_at) = (generation(&settings)?, after.generation, generation(&disabled)?);
    let story = Story { settings, made, disabled: disabled_at };
    let held = judges_as_a_whole(stack, &story, &realm, [&before, &after])?;
    let newest = heads.in_order(&kv.calls())?.last().context("nothing was published")?.generation;
    ensure!(held == newest, "the edge judges by {held}, KV has {newest}");
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
