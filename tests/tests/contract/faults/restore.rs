//! The database was restored from a backup: what KV holds is newer than what the database knows.
//! Nothing is published until an operator decides, and no revocation is taken back by it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::heads::Heads;
use keyward_tests::kv::Fault;
use keyward_tests::stack::{NewKey, eventually, generation};
use keyward_tests::{Lanes, Options, Stack};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::alone;
use crate::witnesses::{LOG, is_signed};

/// What of the audit log was signed last, beside the database.
const SIGNED: &str = "audit-checkpoint";

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("a_restored_database_publishes_nothing_until_the_epoch_is_raised", || {
            alone(&Options::default(), restored)
        }),
        Test::alone("a_restored_database_is_noticed_although_kv_could_not_be_read_at_first", || {
            alone(&Options { lanes: Lanes::Kv, ..Options::default() }, restored_with_kv_away)
        }),
    ]
}

fn restored_with_kv_away(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (kept, disabled) = (admin.key("kept")?, admin.key("disabled")?);
    let backup = stack.folder().join("backup");
    stack.stop_control_plane()?;
    copy_database(&stack.control_plane().data_dir, &backup)?;
    stack.start_control_plane()?;
    let last = admin.act(&disabled, "disable", &json!({}))?;
    stack.applied(generation(&last)?)?;
    published(stack, &last)?;
    stack.stop_control_plane()?;
    copy_database(&backup, &stack.control_plane().data_dir)?;

    let kv = stack.kv()?;
    kv.fail(|_| Fault::Status(403));
    stack.start_control_plane()?;
    // What is recorded now stands above all that KV holds.
    for name in ["one", "two", "three"] {
        admin.key_in(&kept.workspace, name, json!({}))?;
    }
    let recorded = Duration::from_secs(2);
    thread::sleep(recorded);
    stack.stop_control_plane()?;
    kv.work();
    let before = kv.calls().len();
    stack.start_control_plane_until("/healthz")?;
    eventually(Duration::from_secs(5), || {
        let snapshot = admin.snapshot()?;
        ensure!(snapshot["last_error"].as_str().is_some_and(|says| says.contains("raise-epoch")), "{snapshot}");
        Ok(())
    })?;
    thread::sleep(Duration::from_secs(2));
    ensure!(!kv.calls().split_off(before).into_iter().any(|call| call.is_head()), "a head was written to KV");
    stack.edge("/v1/ping").key(&kept.secret).send()?.must_be(200)?;
    stack.edge("/v1/ping").key(&disabled.secret).send()?.must_be(401)?;
    Ok(())
}

fn restored(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let (kept, deleted, disabled) = (admin.key("kept")?, admin.key("deleted")?, admin.key("disabled")?);
    let backup = stack.folder().join("backup");
    is_signed(&admin)?;
    stack.stop_control_plane()?;
    copy_database(&stack.control_plane().data_dir, &backup)?;
    fs::copy(stack.control_plane().data_dir.join(SIGNED), backup.join(SIGNED))?;

    stack.start_control_plane()?;
    let made = admin.key("made")?;
    admin.delete(&deleted.path())?.must_be(200)?;
    let last = admin.act(&disabled, "disable", &json!({}))?;
    stack.applied(generation(&last)?)?;
    published(stack, &last)?;
    let verdicts = |wanted: [u16; 4]| judged(stack, [&kept, &made, &deleted, &disabled], wanted);
    verdicts([200, 200, 401, 401])?;
    stack.stop_control_plane()?;
    copy_database(&backup, &stack.control_plane().data_dir)?;
    fs::copy(backup.join(SIGNED), stack.control_plane().data_dir.join(SIGNED))?;

    let kv_before = stack.kv()?.calls();
    stack.start_control_plane_until("/healthz")?;
    eventually(Duration::from_secs(5), || {
        let snapshot = admin.snapshot()?;
        let says = snapshot["last_error"].as_str().unwrap_or_default();
        ensure!(says.contains("raise-epoch"), "{snapshot}");
        Ok(())
    })?;
    admin.get("/readyz")?.must_be(503)?;
    ensure!(fs::read_to_string(stack.control_plane_log())?.contains("raise-epoch"), "the log does not say it");
    // Edges may hold a checkpoint of events that are lost.
    for path in ["/v1/audit/checkpoint", "/v1/audit/export?format=jsonl"] {
        let refused = admin.get(path)?.must_be(503)?.json()?;
        ensure!(refused["detail"].as_str().is_some_and(|says| says.contains("not signed")), "{refused}");
    }
    // Changes are still made; they are not published anywhere.
    let in_between = admin.key_in(&kept.workspace, "in-between", json!({}))?;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(4) {
        verdicts([200, 200, 401, 401]).context("while nothing is published")?;
        thread::sleep(Duration::from_millis(200));
    }
    stack.edge("/v1/ping").key(&in_between.secret).send()?.must_be(401)?;
    let wrote = stack.kv()?.calls().split_off(kv_before.len()).into_iter().any(|call| call.is_head());
    ensure!(!wrote, "a head was written to KV");

    let beside = raise_epoch(stack).output()?;
    ensure!(!beside.status.success(), "raise-epoch ran beside serve");
    stack.stop_control_plane()?;
    let raised = raise_epoch(stack).output()?;
    let said = String::from_utf8_lossy(&raised.stdout).into_owned();
    ensure!(raised.status.success(), "{said}{}", String::from_utf8_lossy(&raised.stderr));
    for key in [&deleted, &disabled, &in_between] {
        ensure!(said.contains(&key.id), "{said} does not name {}", key.id);
    }
    ensure!(!said.contains(&kept.id), "{said} names a key that both histories have");

    let heads = Heads::of(stack.control_plane())?;
    let epoch = heads.in_order(&stack.kv()?.calls())?.last().context("no head")?.epoch;
    stack.start_control_plane()?;
    let above = |value: &[u8]| heads.read(value).is_ok_and(|head| head.epoch > epoch);
    let first = stack.kv()?.wait_for(kv_before.len(), |call| call.is_done() && call.is_head() && above(&call.value))?;
    let first = heads.read(&first.value)?;
    let floors = [first.tree_generation, first.recent_since, first.narrowed_since];
    ensure!(
        floors == [first.generation; 3] && first.recent.is_empty(),
        "nothing is told of what was before: {first:?}"
    );
    ensure!(first.generation > generation(&last)?, "{first:?}");
    is_signed(&admin)?;
    let checkpoint = admin.get("/v1/audit/checkpoint")?.must_be(200)?.text();
    ensure!(!checkpoint.starts_with(&format!("{LOG}\n")), "{checkpoint}");
    let snapshot = admin.snapshot()?;
    ensure!(generation(&snapshot)? > generation(&last)?, "{snapshot}");
    stack.applied(generation(&snapshot)?)?;
    verdicts([200, 401, 401, 401]).context("after the epoch was raised")?;
    stack.edge("/v1/ping").key(&in_between.secret).send()?.must_be(401)?;
    for key in [&deleted, &in_between] {
        let enabled = admin.act(key, "enable", &json!({"reason": "looked at"}))?;
        stack.applied(generation(&enabled)?)?;
        stack.edge("/v1/ping").key(&key.secret).send()?.must_be(200)?;
    }
    published(stack, &admin.act(&kept, "disable", &json!({}))?)?;
    let heads = heads.in_order(&stack.kv()?.calls())?;
    ensure!(heads.len() > 2, "{} heads", heads.len());
    Ok(())
}

fn judged(stack: &Stack, keys: [&NewKey; 4], wanted: [u16; 4]) -> Result<()> {
    let mut got = [0; 4];
    for (status, key) in got.iter_mut().zip(keys) {
        *status = stack.edge("/v1/ping").key(&key.secret).send()?.status;
    }
    ensure!(got == wanted, "kept, made, deleted, disabled: {got:?} instead of {wanted:?}");
    Ok(())
}

fn published(stack: &Stack, change: &Value) -> Result<()> {
    let wanted = generation(change)?;
    eventually(Duration::from_secs(10), || {
        let snapshot = stack.admin()?.snapshot()?;
        ensure!(snapshot["published_generation"].as_u64() >= Some(wanted), "{snapshot}");
        Ok(())
    })
}

fn raise_epoch(stack: &Stack) -> Command {
    let mut command = stack.control_plane().command("raise-epoch");
    command.args(stack.control_plane().kv_url.iter().flat_map(|url| ["--kv-url", url]));
    command
}

/// Puts the database of one folder in place of another's.
pub(super) fn copy_database(from: &Path, to: &Path) -> Result<()> {
    const NAMES: [&str; 3] = ["keyward.db", "keyward.db-wal", "keyward.db-shm"];
    fs::create_dir_all(to)?;
    for name in NAMES {
        // What a clean stop leaves is one file or three.
        let _ = fs::remove_file(to.join(name));
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name))?;
        }
    }
    ensure!(to.join("keyward.db").exists(), "no database in {}", from.display());
    Ok(())
}
