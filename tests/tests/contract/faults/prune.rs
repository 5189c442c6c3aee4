//! `audit prune` that is killed: whatever it had dropped by then, the log verifies against a checkpoint of
//! what goes, and the rest goes when the command is given again, or when `serve` starts.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use keyward_tests::database::Database;
use keyward_tests::stack::eventually;
use keyward_tests::{Lanes, Options, Stack};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use xtask::parts::control_plane::ControlPlane;

use super::restore::copy_database;
use crate::Test;
use crate::commands::{rearranged, told};
use crate::turns::alone;
use crate::witnesses::newest;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("a_prune_that_is_killed_leaves_a_log_that_verifies_and_goes_on", || {
            let options = Options { lanes: Lanes::Http, ..Options::default() };
            alone(&options.setting("KEYWARD_AUDIT_CHECKPOINT_SECONDS", "1"), killed)
        })
        .slow(),
    ]
}

/// Keys that are brought, an event each: events are dropped 5,000 at a time.
const KEYS: usize = 12_000;
/// How often each log's prune is killed, before it may come to its end.
const KILLED: usize = 3;
/// Logs that are pruned so, at least and at most: one must have been caught while it dropped.
const LOGS: Range<usize> = 3..30;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A log, of which events up to a checkpoint are pruned.
struct Pruned {
    control_plane: ControlPlane,
    /// The checkpoint with just these events.
    checkpoint: PathBuf,
    exported: PathBuf,
    through: u64,
}

/// How far a prune is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Nothing is said yet.
    Unsaid,
    /// It is said, and so many events of those are there still.
    Said { left: u64 },
}

const DONE: Progress = Progress::Said { left: 0 };

fn killed(stack: &Stack) -> Result<()> {
    let log = filled(stack)?;
    stack.stop_control_plane()?;
    let mut random = StdRng::seed_from_u64(6962);
    let (whole, dropping) = log.elsewhere(&stack.folder().join("whole"))?.durations()?;

    let mut caught = 0;
    for number in 0..LOGS.end {
        if number >= LOGS.start && caught > 0 {
            break;
        }
        let copy = log.elsewhere(&stack.folder().join(format!("log-{number}")))?;
        for time in 0..KILLED {
            let mut prune = copy.prune()?;
            // At any moment, or at one while events are dropped: most of the time goes to the export.
            let limit = if time > 0 {
                copy.wait_until_said(&mut prune)?;
                dropping
            } else {
                whole
            };
            thread::sleep(limit.mul_f64(random.random()));
            prune.kill()?;
            prune.wait()?;
            copy.must_verify(&[])?;
            let is_partly_dropped =
                matches!(copy.progress()?, Progress::Said { left } if (1..log.through).contains(&left));
            caught += usize::from(is_partly_dropped);
        }
        let last = copy.prune()?.wait_with_output()?;
        ensure!(last.status.success(), "{}", told(&last));
        copy.must_be_pruned(&[])?;
        fs::remove_dir_all(&copy.control_plane.data_dir)?;
    }
    ensure!(caught > 0, "none was caught while it dropped events, which took {dropping:?}");

    // Said, and left to `serve`, which is killed too.
    let mut prune = log.prune()?;
    log.wait_until_said(&mut prune)?;
    prune.kill()?;
    prune.wait()?;
    for _ in 0..KILLED {
        log.must_verify(&[])?;
        let mut serve = log.control_plane.command("serve");
        serve.args(["--listen", &log.control_plane.listen.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut serve = serve.spawn()?;
        thread::sleep(Duration::from_secs(1).mul_f64(random.random()));
        serve.kill()?;
        serve.wait()?;
    }
    log.must_verify(&[])?;
    stack.start_control_plane()?;
    eventually(PATIENCE, || {
        let progress = log.progress()?;
        ensure!(progress == DONE, "{progress:?}");
        Ok(())
    })?;
    log.must_be_pruned(&["--edge", &stack.edge_url()])?;
    // What is gone is still proved by the checkpoint of its time.
    let proof = stack.admin()?.get(&format!("/v1/audit/proof?seq=1&size={}", log.through))?.must_be(200)?.json()?;
    ensure!(proof["checkpoint"] == fs::read_to_string(&log.checkpoint)?, "{proof}");
    Ok(())
}

/// A log of some thousand events, exported, with a checkpoint of them all.
fn filled(stack: &Stack) -> Result<Pruned> {
    let admin = stack.admin()?;
    let workspace = admin.workspace("pruned")?["slug"].as_str().context("no slug")?.to_owned();
    let line = |number: usize| {
        let digest = hex::encode(Sha256::digest(format!("{workspace} {number}")));
        let name = format!("pruned-{number}");
        json!({"external_id": name, "workspace": workspace, "name": name, "access": "read-only", "apis": ["*"],
               "sha256": digest})
    };
    let results = admin.import(&(0..KEYS).map(line).collect::<Vec<Value>>())?;
    ensure!(results.len() >= KEYS, "{} lines were answered", results.len());
    let seq = newest(stack)?;
    ensure!(seq >= KEYS as u64, "there are {seq} events");
    let mut checkpoint = String::new();
    eventually(PATIENCE, || {
        checkpoint = admin.get("/v1/audit/checkpoint")?.must_be(200)?.text();
        ensure!(size(&checkpoint)? >= seq, "{checkpoint}");
        Ok(())
    })?;
    let export = admin.get("/v1/audit/export?format=jsonl")?.must_be(200)?;
    let file = |name: &str, content: &[u8]| -> Result<PathBuf> {
        let path = stack.folder().join(name);
        fs::write(&path, content)?;
        Ok(path)
    };
    Ok(Pruned {
        control_plane: stack.control_plane().clone(),
        through: size(&checkpoint)?,
        checkpoint: file("checkpoint", checkpoint.as_bytes())?,
        exported: file("audit.jsonl", &export.body)?,
    })
}

/// The events of a checkpoint.
fn size(note: &str) -> Result<u64> {
    Ok(note.lines().nth(1).context("no checkpoint")?.parse()?)
}

impl Pruned {
    /// The same in a data folder of its own.
    fn elsewhere(&self, data_dir: &Path) -> Result<Self> {
        copy_database(&self.control_plane.data_dir, data_dir)?;
        let secrets = data_dir.join("secrets");
        fs::create_dir(&secrets)?;
        for secret in fs::read_dir(self.control_plane.data_dir.join("secrets"))? {
            let secret = secret?;
            fs::copy(secret.path(), secrets.join(secret.file_name()))?;
        }
        let control_plane = ControlPlane { data_dir: data_dir.to_owned(), ..self.control_plane.clone() };
        Ok(Self {
            control_plane,
            checkpoint: self.checkpoint.clone(),
            exported: self.exported.clone(),
            through: self.through,
        })
    }

    /// Prunes; its output is lost, unless it is waited for.
    fn prune(&self) -> Result<Child> {
        let mut command = self.audit("prune");
        command.args(["--through", &self.through.to_string(), "--exported"]).arg(&self.exported);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command.spawn()?)
    }

    fn audit(&self, verb: &str) -> Command {
        rearranged(&self.control_plane.command("audit"), verb)
    }

    /// How long it takes when nobody kills it: as a whole, and the dropping of it.
    fn durations(&self) -> Result<(Duration, Duration)> {
        let begun = Instant::now();
        let mut prune = self.prune()?;
        self.wait_until_said(&mut prune)?;
        let said = begun.elapsed();
        let output = prune.wait_with_output()?;
        ensure!(output.status.success(), "{}", told(&output));
        let whole = begun.elapsed();
        self.must_be_pruned(&[])?;
        Ok((whole, whole.saturating_sub(said)))
    }

    /// Waits until it is written that the events are pruned, of which none may be gone before.
    fn wait_until_said(&self, prune: &mut Child) -> Result<()> {
        let begun = Instant::now();
        loop {
            if self.progress()? != Progress::Unsaid {
                return Ok(());
            }
            if let Some(status) = prune.try_wait()? {
                bail!("the prune ended with {status} before it said anything");
            }
            ensure!(begun.elapsed() < PATIENCE, "nothing was said within {PATIENCE:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn progress(&self) -> Result<Progress> {
        let database = Database::of(&self.control_plane);
        let pruned = database.count("SELECT pruned FROM audit_log")?.cast_unsigned();
        let left = "SELECT count(*) FROM audit_event WHERE seq <= (SELECT pruned FROM audit_log)";
        match pruned {
            0 => Ok(Progress::Unsaid),
            _ if pruned == self.through => Ok(Progress::Said { left: database.count(left)?.cast_unsigned() }),
            _ => bail!("{pruned} are said to be pruned, not {}", self.through),
        }
    }

    /// The log verifies, held against the checkpoint of what is dropped and these.
    fn must_verify(&self, further: &[&str]) -> Result<Output> {
        let mut verify = self.audit("verify");
        verify.arg(self.control_plane.data_dir.join("keyward.db")).arg("--checkpoint").arg(&self.checkpoint);
        let output = verify.args(further).output()?;
        ensure!(output.status.success(), "{:?}\n{}", self.progress(), told(&output));
        Ok(output)
    }

    /// All that was to go is gone, which the log says, and the rest verifies.
    fn must_be_pruned(&self, further: &[&str]) -> Result<()> {
        ensure!(self.progress()? == DONE, "{:?}", self.progress());
        let said = told(&self.must_verify(further)?);
        ensure!(said.contains(&format!("events 1 to {}, as event ", self.through)), "{said}");
        let told = "SELECT count(*) FROM audit_event WHERE actor_name = 'audit prune'";
        let told = Database::of(&self.control_plane).count(told)?;
        ensure!(told == 1, "{told} events say that it was pruned");
        Ok(())
    }
}
