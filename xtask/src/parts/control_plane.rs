//! The control plane: its data folder made ready, and the server started on it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::http::Client;
use super::{Part, ports};

/// How long it may take to migrate and bind.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a control plane is to be run.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    /// The product's binary.
    pub program: PathBuf,
    /// Where it keeps its secrets and, by default, its database.
    pub data_dir: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Another database than the one in the data folder.
    pub database: Option<String>,
    /// The base of the KV namespace's REST API; none publishes to no KV.
    pub kv_url: Option<String>,
    /// Further settings as `KEYWARD_*` variables.
    pub settings: Vec<(String, String)>,
}

impl ControlPlane {
    /// Makes the secrets and the database, whichever are missing. Repeated, it changes nothing.
    pub fn init(&self) -> Result<()> {
        let mut init = self.command("init");
        let output = init.output().with_context(|| format!("cannot start {}", self.program.display()))?;
        ensure!(
            output.status.success(),
            "`keyward init` ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Starts serving and waits until it is ready.
    pub fn start(&self, log: &Path) -> Result<Part> {
        self.start_until(log, "/readyz")
    }

    /// Starts serving and waits until a path answers 200.
    pub fn start_until(&self, log: &Path, path: &str) -> Result<Part> {
        let mut serve = self.command("serve");
        serve.args(["--listen", &self.listen.to_string()]);
        if let Some(url) = &self.kv_url {
            serve.args(["--kv-url", url]);
        }
        let mut part = Part::start("the control plane", &serve, log)?;
        let client = Client::new(&self.url(), None);
        part.wait_until(PATIENCE, || client.get(path)?.must_be(200).map(drop))?;
        Ok(part)
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        ports::url(self.listen)
    }

    /// A file of its secrets.
    pub fn secret(&self, name: &str) -> PathBuf {
        self.data_dir.join("secrets").join(name)
    }

    /// Any of the binary's commands on this data folder, free of the caller's own settings.
    pub fn command(&self, name: &str) -> Command {
        let mut command = super::without_settings(Command::new(&self.program));
        command.arg(name).arg("--data-dir").arg(&self.data_dir);
        if let Some(database) = &self.database {
            command.args(["--database", database]);
        }
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }
}
