//! The edge: the Worker on the real Workers runtime, under wrangler with a KV of its own.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::http::Client;
use super::{Part, ports};
use crate::{setup, workspace};

/// The KV binding's name in wrangler.toml.
const BINDING: &str = "KEYWARD";
/// How long wrangler may take to bundle and start the runtime on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// How an edge is to be run.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The wrangler configuration.
    pub config: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where its KV and its notes about itself are kept.
    pub state: PathBuf,
    /// Files of secrets and variables; a later one wins.
    pub variables: Vec<PathBuf>,
}

impl Edge {
    /// The project's own wrangler configuration.
    pub fn shipped_config() -> PathBuf {
        workspace::root().join("wrangler.toml")
    }

    /// Starts the Worker and waits until it answers its status.
    pub fn start(&self, log: &Path) -> Result<Part> {
        let mut part = Part::start("the edge", &self.command(), log)?;
        let client = Client::new(&self.url(), None);
        part.wait_until(PATIENCE, || client.get("/.keyward/status")?.must_be(200).map(drop))?;
        Ok(part)
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        ports::url(self.listen)
    }

    /// The base of its KV namespace's REST API.
    pub fn kv_url(&self) -> Result<String> {
        let namespace = namespace(&self.config)?;
        let api = "cdn-cgi/local/explorer/api/storage/kv/namespaces";
        Ok(format!("{}/{api}/{namespace}", self.url()))
    }

    fn command(&self) -> Command {
        let mut command = super::without_settings(Command::new(setup::npm_program("wrangler")));
        command
            .current_dir(workspace::root())
            .args(["dev", "--local", "--config"])
            .arg(&self.config)
            .args(["--ip", &self.listen.ip().to_string()])
            .args(["--port", &self.listen.port().to_string()])
            .args(["--inspector-port", "0", "--show-interactive-dev-session=false"])
            .arg("--persist-to")
            .arg(self.state.join("state"));
        for file in &self.variables {
            command.arg("--env-file").arg(file);
        }
        // Quiet, alone and off the network: it would report its use, look up where this machine is,
        // and take other running Workers of the same name for its kin.
        command
            .env("WRANGLER_SEND_METRICS", "false")
            .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
            .env("WRANGLER_REGISTRY_PATH", self.state.join("registry"))
            .env("MINIFLARE_REGISTRY_PATH", self.state.join("registry"))
            .env("WRANGLER_LOG_PATH", self.state.join("wrangler-logs"));
        setup::with_npm_programs(&mut command);
        command
    }
}

/// Writes variables in wrangler's env-file form.
pub fn write_variables(path: &Path, variables: &[(&str, &str)]) -> Result<()> {
    if let Some(folder) = path.parent() {
        workspace::folder(folder)?;
    }
    let mut lines = String::new();
    for (name, value) in variables {
        ensure!(!value.contains(['"', '\n']), "{name} cannot be written to an env file");
        writeln!(lines, "{name}=\"{value}\"")?;
    }
    fs::write(path, lines).with_context(|| format!("cannot write {}", path.display()))
}

/// The id of the KV namespace that a configuration binds.
fn namespace(config: &Path) -> Result<String> {
    let text = fs::read_to_string(config).with_context(|| format!("cannot read {}", config.display()))?;
    let config: toml::Table = toml::from_str(&text).with_context(|| format!("{} is not TOML", config.display()))?;
    config
        .get("kv_namespaces")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .find(|namespace| namespace.get("binding").and_then(toml::Value::as_str) == Some(BINDING))
        .and_then(|namespace| Some(namespace.get("id")?.as_str()?.to_owned()))
        .with_context(|| format!("the configuration binds no KV namespace {BINDING}"))
}
