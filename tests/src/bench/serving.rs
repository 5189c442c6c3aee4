//! One control plane on a database of its own, as a process on cores that it is given: what a user
//! runs, with nothing of ours inside.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::parts::control_plane::ControlPlane;
use xtask::parts::http::Client;
use xtask::parts::{Part, ports};

use super::database::Copy;

/// How long a first head may take: a full build of ten million keys, several times over.
const PATIENCE: Duration = Duration::from_mins(20);
/// The pause between two questions whether something has happened.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// A control plane that serves a head.
pub(super) struct Serving {
    /// How it was started.
    pub(super) control_plane: ControlPlane,
    /// The REST API with the operator's token.
    pub(super) admin: Client,
    /// From its start to its first head.
    pub(super) first_head_after: Duration,
    process: PathBuf,
    // Ended before the database goes.
    _part: Part,
    pub(super) database: Copy,
}

impl Serving {
    /// Starts on a copy of a database, on one core or wherever the system puts it, and waits for the
    /// first head.
    pub(super) fn start(program: &Path, database: Copy, kv: Option<SocketAddr>, core: Option<u8>) -> Result<Self> {
        Self::start_with(program, database, kv, core, &[])
    }

    /// The same with further settings, as `KEYWARD_*` variables.
    pub(super) fn start_with(
        program: &Path,
        database: Copy,
        kv: Option<SocketAddr>,
        core: Option<u8>,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let control_plane = ControlPlane {
            program: program.to_owned(),
            data_dir: database.data_dir(),
            listen: ports::free()?,
            database: None,
            kv_url: kv.map(|address| format!("http://{address}")),
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let mut serve = control_plane.command("serve");
        serve.args(["--listen", &control_plane.listen.to_string()]);
        if let Some(url) = &control_plane.kv_url {
            serve.args(["--kv-url", url]);
        }
        let secret = |name: &str| -> Result<String> {
            Ok(fs::read_to_string(control_plane.secret(name)).context("no such secret")?.trim().to_owned())
        };
        let lane = Client::new(&control_plane.url(), Some(secret("edge-credential")?));
        let admin = Client::new(&control_plane.url(), Some(secret("operator-token")?));
        let began = Instant::now();
        let mut part = Part::start("the control plane", &pinned(serve, core), &database.beside("control-plane.log"))?;
        part.wait_until(PATIENCE, || lane.get("/v1/snapshot/head")?.must_be(200).map(drop))?;
        let first_head_after = began.elapsed();
        let process = process_of(&control_plane)?;
        Ok(Self { control_plane, admin, first_head_after, process, _part: part, database })
    }

    /// What it says of its publishing.
    pub(super) fn snapshot(&self) -> Result<Value> {
        self.admin.get("/v1/snapshot")?.must_be(200)?.json()
    }

    /// Waits until everything committed is published and in the tree.
    pub(super) fn settled(&self) -> Result<()> {
        until(PATIENCE, || {
            let snapshot = self.snapshot()?;
            let generation = &snapshot["generation"];
            let done = snapshot["published_generation"] == *generation && snapshot["tree_generation"] == *generation;
            if done { Ok(()) } else { bail!("not settled: {snapshot}") }
        })
    }

    /// Lets [`Self::peak_memory_mib`] begin anew (proc(5), `/proc/PID/clear_refs`).
    pub(super) fn forget_peak_memory(&self) -> Result<()> {
        Ok(fs::write(self.process.join("clear_refs"), "5")?)
    }

    /// The most memory that it had resident so far, in MiB.
    pub(super) fn peak_memory_mib(&self) -> Result<f64> {
        let status = fs::read_to_string(self.process.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes / 1024.0)
    }
}

/// Repeats a check until it holds; its last word is the error.
pub(super) fn until(patience: Duration, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let began = Instant::now();
    loop {
        match check() {
            Ok(()) => return Ok(()),
            Err(error) if began.elapsed() > patience => return Err(error),
            Err(_) => thread::sleep(ASK_EVERY),
        }
    }
}

/// The command on one core.
fn pinned(command: Command, core: Option<u8>) -> Command {
    let Some(core) = core else {
        return command;
    };
    let mut pinned = Command::new("taskset");
    pinned.args(["--cpu-list", &core.to_string()]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(name, value),
            None => pinned.env_remove(name),
        };
    }
    pinned
}

/// The folder in /proc of the process that runs the program on that data folder.
fn process_of(control_plane: &ControlPlane) -> Result<PathBuf> {
    let data_dir = control_plane.data_dir.to_string_lossy().into_owned();
    let program = control_plane.program.to_string_lossy().into_owned();
    for entry in fs::read_dir("/proc")? {
        let process = entry?.path();
        let words = fs::read(process.join("cmdline")).unwrap_or_default();
        let mut words = words.split(|byte| *byte == 0);
        // What guards it has another name in front.
        if words.next() == Some(program.as_bytes()) && words.any(|word| word == data_dir.as_bytes()) {
            return Ok(process);
        }
    }
    bail!("no process runs on {data_dir}")
}
