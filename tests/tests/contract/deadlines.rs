//! Deadlines are the edge's own: what is set to end, ends to the second, whoever else is still there.

use std::fs::{self, File};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keyward_tests::clients::{node, run};
use keyward_tests::stack::{EdgeRequest, NewKey, generation};
use keyward_tests::{Stack, Workerd, clock};
use serde_json::{Value, json};
use xtask::build::edge::{self, Variant};
use xtask::setup;

use crate::Test;
use crate::turns::QUIET;

const ASK_EVERY: Duration = Duration::from_millis(40);
/// How long a secret is watched beyond its deadline.
const BEYOND_MS: i64 = 700;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::in_turn("a_grace_period_ends_to_the_second", &QUIET, grace),
        Test::in_turn("an_extended_grace_period_ends_at_its_new_deadline", &QUIET, extended),
        Test::in_turn("deadlines_hold_while_the_control_plane_is_dead", &QUIET, without_control_plane),
        Test::in_turn(
            "on_an_edge_cut_off_from_everything_the_retiring_secret_ends_to_the_second",
            &QUIET,
            cut_off_from_everything,
        ),
        Test::shared("a_rotated_key_stays_disabled_or_expired", rotated_while_unusable),
        Test::shared(
            "a_disabled_key_refuses_both_secrets_and_enabled_has_them_with_their_deadlines",
            disabled_for_a_while,
        ),
        Test::shared("a_rotation_that_is_due_is_a_reminder_and_stops_nothing", overdue),
        Test::in_turn("a_deadline_that_was_too_far_is_cut_to_the_keys_expiry", &QUIET, cut_to_expiry),
        Test::shared("on_a_real_edge_a_snapshot_that_expired_judges_nothing_and_nothing_passes", expired),
        Test::in_turn("a_rotation_cannot_be_cancelled_in_its_last_two_minutes", &QUIET, too_late_to_cancel),
    ]
}

fn grace(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let old = admin.key("grace")?;
    let answer = admin.act(&old, "rotate", &json!({"grace_seconds": 3}))?;
    let deadline = clock::ms_of(&answer["previous_valid_until"])?;
    ensure!(deadline % 1000 == 0, "deadlines are whole seconds");
    let new = answer["secret"].as_str().context("no secret")?;
    stack.applied(answer["generation"].as_u64().context("no generation")?)?;
    ends_at(stack, &old.secret, deadline)?;
    stack.edge("/v1/ping").key(new).send()?.must_be(200)?;
    let key = admin.get(&old.path())?.must_be(200)?.json()?;
    ensure!(key["rotation"].is_null(), "the rotation is over: {key}");
    Ok(())
}

fn extended(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let old = admin.key("extended")?;
    let first = admin.act(&old, "rotate", &json!({"grace_seconds": 4}))?;
    let extended = admin.act(&old, "rotation/extend", &json!({"grace_seconds": 6}))?;
    stack.applied(extended["generation"].as_u64().context("no generation")?)?;
    let rotation = &extended["key"]["rotation"];
    let deadline = clock::ms_of(&rotation["previous_valid_until"])?;
    ensure!(deadline > clock::ms_of(&first["previous_valid_until"])?, "the deadline moved on");
    ends_at(stack, &old.secret, deadline)
}

fn without_control_plane(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let rotated = admin.key("dead-grace")?;
    let expiring = admin.key_with("dead-expiry", json!({"expires_at": clock::rfc3339(clock::now_ms() + 5_000)?}))?;
    let answer = admin.act(&rotated, "rotate", &json!({"grace_seconds": 5}))?;
    let grace_ends = clock::ms_of(&answer["previous_valid_until"])?;
    let key = admin.get(&expiring.path())?.must_be(200)?.json()?;
    let expires = clock::ms_of(&key["expires_at"])?;
    stack.applied(answer["generation"].as_u64().context("no generation")?)?;
    stack.kill_control_plane()?;
    thread::scope(|scope| {
        let other = scope.spawn(|| ends_at(stack, &expiring.secret, expires).context("expires_at"));
        ends_at(stack, &rotated.secret, grace_ends).context("previous_valid_until")?;
        other.join().unwrap_or_else(|_| Err(anyhow::anyhow!("broke off")))
    })?;
    let new = answer["secret"].as_str().context("no secret")?;
    stack.edge("/v1/ping").key(new).send()?.must_be(200)?;
    stack.start_control_plane()?;
    let key = admin.get(&expiring.path())?.must_be(200)?.json()?;
    ensure!(key["status"] == "expired", "{key}");
    Ok(())
}

/// This edge has no KV, and its only lane goes away: whatever it says afterwards it knows already.
fn cut_off_from_everything(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let edge = Workerd::start(stack, &[])?;
    let old = admin.key("cut-off")?;
    let answer = admin.act(&old, "rotate", &json!({"grace_seconds": 6}))?;
    let deadline = clock::ms_of(&answer["previous_valid_until"])?;
    let new = answer["secret"].as_str().context("no secret")?;
    edge.applied(answer["generation"].as_u64().context("no generation")?)?;
    for secret in [&old.secret, new] {
        edge.edge("/v1/ping").key(secret).send()?.must_be(200)?;
    }
    stack.kill_control_plane()?;
    let ask = || edge.edge("/v1/ping");
    ends_as_asked(ask, &old.secret, deadline)?;
    ask().key(new).send()?.must_be(200).context("the new secret, after the old one")?;
    ask().key(&old.secret).send()?.must_be(401).context("the old secret, for good")?;
    stack.start_control_plane()
}

/// A new secret makes nobody's key usable: both are refused, and both pass once the key is usable again.
fn rotated_while_unusable(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let disabled = admin.key("rotated-disabled")?;
    admin.act(&disabled, "disable", &json!({}))?;
    let at = clock::rfc3339(clock::now_ms() + 2_000)?;
    let expired = admin.key_with("rotated-expired", json!({"expires_at": at}))?;
    let expires = clock::ms_of(&admin.get(&expired.path())?.must_be(200)?.json()?["expires_at"])?;
    while clock::now_ms() <= expires {
        thread::sleep(ASK_EVERY);
    }
    let mut rotated = Vec::new();
    for (key, status) in [(disabled, "disabled"), (expired, "expired")] {
        let new = admin.rotate(&key, 600)?;
        let read = admin.get(&key.path())?.must_be(200)?.json()?;
        ensure!(read["status"] == status, "{read}");
        rotated.push((key, new));
    }
    stack.applied(rotated.iter().map(|(_, new)| new.generation).max().unwrap_or_default())?;
    for (key, new) in &rotated {
        for secret in [&key.secret, &new.secret] {
            stack.edge("/v1/ping").key(secret).send()?.must_be(401)?;
        }
    }
    let enabled = admin.act(&rotated[0].0, "enable", &json!({}))?;
    let lifted = admin.patch(&rotated[1].0.path(), &json!({"expires_at": null}))?.must_be(200)?.json()?;
    let generations = [&enabled, &lifted].map(|answer| answer["generation"].as_u64().unwrap_or_default());
    stack.applied(generations.into_iter().max().unwrap_or_default())?;
    for (key, new) in &rotated {
        for secret in [&key.secret, &new.secret] {
            stack.edge("/v1/ping").key(secret).send()?.must_be(200)?;
        }
    }
    Ok(())
}

/// A while that ends one deadline, and leaves two that are still ahead.
fn disabled_for_a_while(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let at = clock::rfc3339(clock::now_ms() + 14_000)?;
    let key = admin.key_with("for-a-while", json!({"expires_at": at}))?;
    let expires = clock::ms_of(&admin.get(&key.path())?.must_be(200)?.json()?["expires_at"])?;
    let begun = admin.act(&key, "rotate", &json!({"grace_seconds": 11}))?;
    let (new, grace_ends) = (begun["secret"].as_str().context("no secret")?, &begun["previous_valid_until"]);
    let short = admin.key("for-too-long")?;
    let newer = admin.rotate(&short, 2)?;
    let short_ends =
        clock::ms_of(&admin.get(&short.path())?.must_be(200)?.json()?["rotation"]["previous_valid_until"])?;
    let answered = |secret: &str, status| stack.edge("/v1/ping").key(secret).send()?.must_be(status).map(drop);
    stack.applied(newer.generation)?;
    for secret in [&key.secret, new, &newer.secret] {
        answered(secret, 200)?;
    }

    let mut last = 0;
    for key in [&key, &short] {
        last = generation(&admin.act(key, "disable", &json!({}))?)?;
    }
    stack.applied(last)?;
    for secret in [&key.secret, new, &short.secret, &newer.secret] {
        answered(secret, 401)?;
    }
    while clock::now_ms() <= short_ends {
        thread::sleep(ASK_EVERY);
    }
    admin.act(&short, "enable", &json!({}))?;
    let enabled = admin.act(&key, "enable", &json!({}))?;
    let rotation = &enabled["key"]["rotation"];
    ensure!(rotation["previous_valid_until"] == *grace_ends, "the deadline was {grace_ends}: {enabled}");
    stack.applied(generation(&enabled)?)?;
    answered(&newer.secret, 200)?;
    answered(&short.secret, 401).context("its grace period ended meanwhile")?;
    thread::scope(|scope| {
        let other = scope.spawn(|| ends_at(stack, new, expires).context("expires_at"));
        ends_at(stack, &key.secret, clock::ms_of(grace_ends)?).context("previous_valid_until")?;
        other.join().unwrap_or_else(|_| Err(anyhow::anyhow!("broke off")))
    })
}

fn overdue(stack: &Stack) -> Result<()> {
    const DAY_MS: i64 = 86_400_000;
    let admin = stack.admin()?;
    let workspace = admin.workspace("overdue")?["id"].as_str().context("no id")?.to_owned();
    let secret = format!("{}-of-an-older-system", admin.fresh_name("overdue"));
    let line = json!({"external_id": "overdue", "workspace": workspace, "name": "overdue", "access": "read-only",
        "apis": ["*"], "secret": secret, "created_at": clock::rfc3339(clock::now_ms() - 100 * DAY_MS)?});
    let brought = admin.import(&[line])?;
    let path = format!("/v1/workspaces/{workspace}/keys");
    let key = format!("{path}/{}", brought[0]["key_id"].as_str().with_context(|| format!("not brought: {brought:?}"))?);
    let edited = admin.patch(&key, &json!({"rotate_every_days": 30}))?.must_be(200)?.json()?;
    let read = admin.get(&key)?.must_be(200)?.json()?;
    let (due, now) = (clock::ms_of(&read["rotation_due_at"])?, clock::now_ms());
    ensure!((69..=71).contains(&((now - due) / DAY_MS)) && read["status"] == "active", "{read}");
    let listed = admin.get(&format!("{path}?rotation_due=true&status=active"))?.must_be(200)?.json()?;
    ensure!(listed["items"][0]["id"] == read["id"], "{listed}");
    stack.applied(generation(&edited)?)?;
    stack.edge("/v1/ping").key(&secret).send()?.must_be(200).map(drop)
}

fn cut_to_expiry(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key_with("cut", json!({"expires_at": clock::rfc3339(clock::now_ms() + 4_000)?}))?;
    let expires = clock::ms_of(&admin.get(&key.path())?.must_be(200)?.json()?["expires_at"])?;
    let NewKey { secret: new, generation, .. } = admin.rotate(&key, 3_600)?;
    stack.applied(generation)?;
    thread::scope(|scope| {
        let other = scope.spawn(|| ends_at(stack, &new, expires).context("the new secret"));
        ends_at(stack, &key.secret, expires).context("the retiring secret")?;
        other.join().unwrap_or_else(|_| Err(anyhow::anyhow!("broke off")))
    })
}

fn too_late_to_cancel(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("late")?;
    let new = admin.rotate(&key, 119)?;
    let refusal = admin.try_act(&key, "rotation/cancel", &json!({}))?.must_be(409)?.json()?;
    ensure!(refusal["code"] == "cancel_too_late", "{refusal}");
    let again = admin.try_act(&key, "rotate", &json!({"grace_seconds": 60}))?.must_be(409)?.json()?;
    ensure!(again["code"] == "rotation_active", "{again}");
    stack.applied(new.generation)?;
    stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    stack.edge("/v1/ping").key(&new.secret).send()?.must_be(200)?;
    admin.act(&key, "rotation/extend", &json!({"grace_seconds": 300}))?;
    admin.act(&key, "rotation/cancel", &json!({}))?;
    Ok(())
}

/// The shipped Worker with another clock: cut off from its lane, it judges until its head's end, and not beyond.
fn expired(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("outlasts")?;
    stack.applied(key.generation)?;
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("input");
    let asked = json!({
        "module": edge::entry(&setup::tools()?, Variant::default())?,
        "variables": Workerd::variables(stack, &[("KEYWARD_REPORT_URL", "http://reports.test/v1/edges/report")])?,
        "key": key.secret,
        "ahead": [-3_600_000, -10_000, 1, 60_000, 86_400_000],
    });
    fs::write(&input, asked.to_string())?;
    let said = run(node().arg("tests/node/expiry.mjs").stdin(File::open(input)?))?;
    let said: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let told = |from: i64, ping: u16, code: Value, state: &str| json!({"ahead": from, "ping": ping, "code": code, "forwarded": ping, "state": state});
    let expired = |from| told(from, 503, json!("snapshot_expired"), "expired");
    let stale = |from| told(from, 200, Value::Null, "stale");
    let expected = [stale(-3_600_000), stale(-10_000), expired(1), expired(60_000), expired(86_400_000)];
    ensure!(said == expected, "{said:?}");
    let seen: Vec<_> = [-10_000, 1, 60_000].map(|from| stack.origin().seen_at(&format!("/expiry/{from}")).len()).into();
    ensure!(seen == [1, 0, 0], "what was forwarded: {seen:?}");
    Ok(())
}

/// Asks all the time until past the deadline: a grant must have been asked for before it, a refusal
/// must have been answered after it.
fn ends_at(stack: &Stack, secret: &str, deadline: i64) -> Result<()> {
    ends_as_asked(|| stack.edge("/v1/ping"), secret, deadline)
}

fn ends_as_asked<'a>(ask: impl Fn() -> EdgeRequest<'a>, secret: &str, deadline: i64) -> Result<()> {
    let mut grants = 0;
    loop {
        let asked = clock::now_ms();
        let answer = ask().key(secret).send()?;
        let answered = clock::now_ms();
        match answer.status {
            200 => {
                ensure!(asked < deadline, "granted {} ms after the deadline", asked - deadline);
                grants += 1;
            }
            401 => ensure!(answered >= deadline, "refused {} ms before the deadline", deadline - answered),
            status => anyhow::bail!("{status}: {}", answer.text()),
        }
        if asked > deadline + BEYOND_MS {
            ensure!(grants > 0, "it was never granted");
            return Ok(());
        }
        thread::sleep(ASK_EVERY);
    }
}
