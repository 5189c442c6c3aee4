//! Starts each part as its own process, and waits until it answers.
//!
//! `cargo xtask dev` and the tests start the parts through here, so there is one place that knows
//! their command lines. Must never know what is asked of the parts once they run.

pub mod control_plane;
pub mod edge;
pub mod http;
pub mod origin;
pub mod ports;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::guard::{Guarded, Output};
use crate::stop;
use crate::workspace;

/// How often a part that starts is asked whether it answers.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How many lines of a part's log are shown when it has ended.
const TAIL: usize = 15;

/// A running part: its process, and the log that all it says goes to.
pub struct Part {
    name: &'static str,
    process: Guarded,
    log: PathBuf,
}

impl Part {
    /// Starts a command as a part. Its log is appended to, so that a restart keeps what came before.
    pub fn start(name: &'static str, command: &Command, log: &Path) -> Result<Self> {
        if let Some(folder) = log.parent() {
            workspace::folder(folder)?;
        }
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write the log {}", log.display()))?;
        let process = Guarded::spawn(command, Output::File(file))?;
        Ok(Self { name, process, log: log.to_owned() })
    }

    /// What the part is called in messages.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The file that all it says goes to.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The process, to stop, kill or freeze it.
    pub fn process(&mut self) -> &mut Guarded {
        &mut self.process
    }

    /// An error with the log's end, once the part has ended by itself.
    pub fn must_run(&mut self) -> Result<()> {
        match self.process.exited()? {
            None => Ok(()),
            Some(status) => bail!(self.obituary(status)),
        }
    }

    /// Waits until `ready` says so. Fails when the part ends before, or when it takes too long; what
    /// `ready` said last is told then.
    pub fn wait_until(&mut self, patience: Duration, mut ready: impl FnMut() -> Result<()>) -> Result<()> {
        let started = Instant::now();
        loop {
            let Err(not_yet) = ready() else {
                return Ok(());
            };
            self.must_run()?;
            ensure!(!stop::requested(), "stopped while {} was starting", self.name);
            if started.elapsed() > patience {
                bail!(
                    "{} did not answer as it should within {} s: {not_yet:#}\n\n{}\n\nIts log: {}",
                    self.name,
                    patience.as_secs(),
                    tail(&self.log),
                    self.log.display()
                );
            }
            thread::sleep(ASK_EVERY);
        }
    }

    fn obituary(&self, status: ExitStatus) -> String {
        format!("{} has ended ({status})\n\n{}\n\nIts log: {}", self.name, tail(&self.log), self.log.display())
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// A command that starts with none of the caller's own `KEYWARD_*` settings: what the parts are
/// told, they are told here.
fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KEYWARD_") {
            command.env_remove(name);
        }
    }
    command
}
