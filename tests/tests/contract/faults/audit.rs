//! The audit log of a control plane that is killed while it writes verifies; one that somebody wrote into
//! is held against what an edge has seen.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keyward_tests::database::Database;
use keyward_tests::{Options, Stack};
use serde_json::json;

use crate::Test;
use crate::commands::{rearranged, told};
use crate::turns::alone;
use crate::witnesses::{covering, cut_off, newest, of_edge};

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("killed_while_it_writes_it_leaves_a_log_that_verifies", || alone(&Options::default(), killed))
            .slow(),
        Test::alone("an_edge_is_the_witness_against_a_log_that_was_written_anew", || {
            alone(&Options::default(), witnessed)
        }),
    ]
}

/// How often it is killed.
const KILLED: u64 = 20;
const WRITERS: usize = 8;

fn killed(stack: &Stack) -> Result<()> {
    let workspace = stack.admin()?.workspace("killed")?["id"].as_str().context("no id")?.to_owned();
    let database = Database::of(stack.control_plane());
    let acknowledged = AtomicU64::new(0);
    for round in 0..KILLED {
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    let write = || stack.admin()?.key_in(&workspace, "killed", json!({}));
                    while let Ok(key) = write() {
                        acknowledged.fetch_max(key.generation, Ordering::Relaxed);
                    }
                });
            }
            thread::sleep(Duration::from_millis(40 + round * 97 % 400));
            stack.kill_control_plane()
        })?;
        let verified = verify(stack, &[])?;
        ensure!(verified.status.success(), "killed for the {round}th time:\n{}", told(&verified));
        let written = database.count("SELECT max(generation) FROM audit_event")?;
        let acknowledged = acknowledged.load(Ordering::Relaxed);
        ensure!(written.cast_unsigned() >= acknowledged, "{acknowledged} was acknowledged, {written} is there");
        stack.start_control_plane()?;
    }
    ensure!(acknowledged.load(Ordering::Relaxed) > KILLED, "hardly anything was written");
    let edge = stack.edge_url();
    let verified = verify(stack, &["--edge", &edge])?;
    ensure!(verified.status.success(), "{}", told(&verified));
    Ok(())
}

fn witnessed(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let key = admin.key("witnessed")?;
    let seq = newest(stack)?;
    covering(&admin, &key, seq, || of_edge(stack))?;
    stack.stop_control_plane()?;
    let edge = stack.edge_url();
    let whole = verify(stack, &["--edge", &edge])?;
    ensure!(whole.status.success(), "{}", told(&whole));

    // The end is cut off, and all that could tell is made right, or taken away.
    let database = Database::of(stack.control_plane());
    let kept = 2;
    ensure!(seq > kept, "there are {seq} events");
    cut_off(&database)?;
    let alone = verify(stack, &[])?;
    ensure!(alone.status.success() && told(&alone).contains("nothing from outside was given"), "{}", told(&alone));
    let found = verify(stack, &["--edge", &edge])?;
    ensure!(found.status.code() == Some(1), "{}", told(&found));
    ensure!(told(&found).contains("WRONG: events 3 to ") && told(&found).contains(&edge), "{}", told(&found));
    Ok(())
}

/// What `audit verify` says of the database.
fn verify(stack: &Stack, further: &[&str]) -> Result<Output> {
    let mut command: Command = rearranged(&stack.control_plane().command("audit"), "verify");
    command.arg(stack.control_plane().data_dir.join("keyward.db")).args(further);
    Ok(command.output()?)
}
