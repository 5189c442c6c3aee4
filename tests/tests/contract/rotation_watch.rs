//! A rotation that watches itself: each step, and who still calls with the old secret, shows on the key.

use std::time::Duration;

use anyhow::{Result, ensure};
use keyward_tests::clock::ms_of;
use keyward_tests::stack::{NewKey, eventually, generation};
use keyward_tests::{Lanes, Options, Stack, Workerd};
use serde_json::{Value, json};

use crate::Test;
use crate::receipts::while_asked;
use crate::turns::alone;

/// The pause between two reports, and some more on a busy machine.
const REPORTED: Duration = Duration::from_secs(40);
/// The quiet time of this deployment, a report, and some more on a busy machine.
const QUIET: Duration = Duration::from_mins(2);

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::alone("a_rotation_shows_who_still_calls_with_the_old_secret", || {
            let options = Options { lanes: Lanes::Http, ..Options::default() };
            alone(&options.setting("KEYWARD_QUIET_SECONDS", "60"), watched)
        })
        .slow(),
    ]
}

/// A key as it reads as soon as that holds.
fn reads(stack: &Stack, key: &NewKey, patience: Duration, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    let (admin, mut read) = (stack.admin()?, Value::Null);
    eventually(patience, || {
        read = admin.get(&key.path())?.must_be(200)?.json()?;
        ensure!(holds(&read), "{read}");
        Ok(())
    })?;
    Ok(read)
}

fn watched(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let old = admin.key("watched")?;
    let edge = Workerd::start(stack, &[])?;
    edge.applied(old.generation)?;
    let ping = |secret: &str, status: u16| edge.edge("/v1/ping").key(secret).send()?.must_be(status).map(drop);
    let step = |verb: &str| -> Result<Value> {
        let answer = admin.act(&old, verb, &json!({}))?;
        edge.applied(generation(&answer)?)?;
        Ok(answer["key"].clone())
    };
    while_asked(stack, &[&edge], || {
        ping(&old.secret, 200)?;
        let read = reads(stack, &old, REPORTED, |key| key["last_used_at"].is_string())?;
        ensure!(read["usage_known_until"].is_string() && read["denied_since"].is_null(), "{read}");

        let new = admin.rotate(&old, 3600)?;
        edge.applied(new.generation)?;
        let started_at = ms_of(&admin.get(&old.path())?.json()?["rotation"]["started_at"])?;
        ping(&old.secret, 200)?;
        ping(&new.secret, 200)?;
        let of = |key: &Value, member: &str| key["rotation"][member].clone();
        let since_then = |key: &Value| ms_of(&of(key, "previous_last_used_at")).is_ok_and(|at| at >= started_at);
        let read = reads(stack, &old, REPORTED, since_then)?;
        ensure!(of(&read, "safe_to_finish") == false, "{read}");

        ensure!(of(&step("rotation/pause")?, "paused") == true);
        ping(&old.secret, 401)?;
        ping(&new.secret, 200)?;
        let read = reads(stack, &old, REPORTED, |key| key["denied_since"].is_string())?;
        ensure!(of(&read, "safe_to_finish") == false && of(&read, "paused") == true, "{read}");
        let resumed = step("rotation/resume")?;
        ensure!(of(&resumed, "paused") == false && resumed["denied_since"].is_null(), "{resumed}");
        ping(&old.secret, 200)?;

        let extended = admin.act(&old, "rotation/extend", &json!({"grace_seconds": 7200}))?;
        let until = of(&extended["key"], "previous_valid_until");
        ensure!(ms_of(&until)? > ms_of(&of(&resumed, "previous_valid_until"))?, "{extended}");
        // From here on nobody calls with the old one.
        let safe = |key: &Value| of(key, "safe_to_finish") == true;
        let read = reads(stack, &old, QUIET, |key| ping(&new.secret, 200).is_ok() && safe(key))?;
        ensure!(of(&read, "previous_valid_until") == until, "{read}");

        ensure!(step("rotation/finish")?["rotation"].is_null());
        ping(&old.secret, 401)?;
        ping(&new.secret, 200)?;

        // Switched off to see who uses it.
        ensure!(step("disable")?["denied_since"].is_null());
        ping(&new.secret, 401)?;
        reads(stack, &old, REPORTED, |key| key["denied_since"].is_string())?;
        ensure!(step("enable")?["denied_since"].is_null());
        ping(&new.secret, 200)
    })
}
