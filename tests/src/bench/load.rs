//! Load on an address: wrk (<https://github.com/wg/wrk>), told what to ask.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use super::figures::as_f64;

const SCRIPT: &str = include_str!("load.lua");

/// Requests to send, over and over.
pub(super) struct Load {
    folder: TempDir,
    connections: u32,
}

/// What became of them.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Outcome {
    /// How many were answered.
    pub(super) requests: u64,
    microseconds: u64,
    /// How many with a status of 400 and above.
    pub(super) refused: u64,
    /// Connections that could not be made, broke or took too long.
    pub(super) failed: u64,
    p99_us: u64,
}

impl Load {
    /// These requests, each a path and the `Authorization` it is sent with, or none.
    pub(super) fn new<'a>(connections: u32, requests: impl IntoIterator<Item = (&'a str, String)>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("keyward-load-").tempdir()?;
        fs::write(folder.path().join("load.lua"), SCRIPT)?;
        let mut file = std::io::BufWriter::new(fs::File::create(folder.path().join("requests"))?);
        for (path, authorization) in requests {
            writeln!(file, "{path} {authorization}")?;
        }
        file.flush()?;
        Ok(Self { folder, connections })
    }

    /// Sends them for so long.
    pub(super) fn run(&self, to: SocketAddr, time: Duration) -> Result<Outcome> {
        self.command(to, time).and_then(|mut command| read(&command.output().context("cannot start wrk")?))
    }

    /// Starts to send them; the outcome comes when the time is over.
    pub(super) fn start(&self, to: SocketAddr, time: Duration) -> Result<Running> {
        let mut command = self.command(to, time)?;
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        Ok(Running(command.spawn().context("cannot start wrk")?))
    }

    fn command(&self, to: SocketAddr, time: Duration) -> Result<Command> {
        ensure!(time.subsec_nanos() == 0, "wrk runs for whole seconds");
        let file = |name: &str| -> PathBuf { self.folder.path().join(name) };
        let mut command = Command::new("wrk");
        command.args(["--threads", "1", "--connections", &self.connections.to_string()]);
        command.args(["--duration", &format!("{}s", time.as_secs()), "--timeout", "5s", "--script"]);
        command.arg(file("load.lua")).arg(format!("http://{to}/")).arg("--").arg(file("requests"));
        Ok(command)
    }
}

/// Load that is on its way.
pub(super) struct Running(std::process::Child);

impl Running {
    /// Waits until its time is over.
    pub(super) fn finish(self) -> Result<Outcome> {
        read(&self.0.wait_with_output()?)
    }
}

impl Outcome {
    /// Answers a second.
    pub(super) fn a_second(&self) -> f64 {
        as_f64(self.requests) * 1e6 / as_f64(self.microseconds)
    }

    /// How many were not let pass: refused, or never answered.
    pub(super) const fn lost(&self) -> u64 {
        self.refused + self.failed
    }

    /// Itself, where every request was let pass.
    pub(super) fn all_passed(self) -> Result<Self> {
        ensure!(self.lost() == 0, "good requests were refused or not answered: {self:?}");
        Ok(self)
    }

    /// The latency that 99 % stay below, in milliseconds.
    pub(super) fn p99_ms(&self) -> f64 {
        as_f64(self.p99_us) / 1000.0
    }
}

fn read(output: &std::process::Output) -> Result<Outcome> {
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk: {said}{}", String::from_utf8_lossy(&output.stderr));
    let line = said.lines().rev().find(|line| line.starts_with('{')).context("wrk gave no figures")?;
    let outcome: Outcome = serde_json::from_str(line).context("wrk's figures")?;
    ensure!(outcome.requests > 0, "nothing was answered: {said}");
    Ok(outcome)
}
