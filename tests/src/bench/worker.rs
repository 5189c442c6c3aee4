//! Workers on plain `workerd`, one process each, so that what each uses of the machine is told apart.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use xtask::parts::http::Client;
use xtask::parts::{Part, ports};
use xtask::setup;

use super::process;
use crate::workerd::{Configuration, Kind, MODULES};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a Worker is made of.
pub(super) struct Spec<'a> {
    /// What it is called in tables.
    pub(super) name: &'a str,
    /// Where each module's file lies; the first is the entry.
    pub(super) modules: Vec<(&'a str, Kind, PathBuf)>,
    /// Its variables.
    pub(super) variables: Vec<(&'static str, String)>,
    /// Its KV binding.
    pub(super) kv: Option<SocketAddr>,
    /// The path that answers once it runs, whatever the status.
    pub(super) ready: &'a str,
}

impl<'a> Spec<'a> {
    /// The edge as it is shipped, from its entry module's folder.
    pub(super) fn edge(name: &'a str, entry: &Path, variables: Vec<(&'static str, String)>, kv: SocketAddr) -> Self {
        let folder = entry.parent().unwrap_or(Path::new("."));
        let modules = MODULES.map(|(module, kind)| (module, kind, folder.join(module)));
        Self { name, modules: modules.to_vec(), variables, kv: Some(kv), ready: "/.keyward/status" }
    }

    /// A Worker in one file.
    pub(super) fn script(name: &'a str, file: PathBuf) -> Self {
        let modules = vec![("worker.mjs", Kind::Script, file)];
        Self { name, modules, variables: Vec::new(), kv: None, ready: "/" }
    }
}

/// A running Worker, ended when dropped.
pub(super) struct Worker {
    pub(super) name: String,
    part: Part,
    listen: SocketAddr,
    _folder: TempDir,
}

impl Worker {
    /// Starts one and waits until it answers.
    pub(super) fn start(spec: &Spec<'_>) -> Result<Self> {
        let listen = ports::free()?;
        let folder = tempfile::Builder::new().prefix("keyward-bench-").tempdir()?;
        for (name, _, file) in &spec.modules {
            let copy = folder.path().join(name);
            fs::create_dir_all(copy.parent().context("a module lies in a folder")?)?;
            fs::copy(file, &copy).with_context(|| format!("cannot copy {}", file.display()))?;
        }
        let modules: Vec<_> = spec.modules.iter().map(|(name, kind, _)| (*name, *kind)).collect();
        let variables = spec.variables.iter().map(|(name, _)| *name).collect();
        let configuration = Configuration { listen, modules: &modules, variables, kv: spec.kv };
        let config = folder.path().join("config.capnp");
        fs::write(&config, configuration.to_text()?)?;
        let mut command = Command::new(setup::npm_program("workerd"));
        command.arg("serve").arg(&config).envs(spec.variables.iter().map(|(name, value)| (name, value)));
        let mut part = Part::start("workerd", &command, &folder.path().join("workerd.log"))?;
        let client = Client::new(&ports::url(listen), None);
        part.wait_until(PATIENCE, || client.get(spec.ready).map(drop))?;
        Ok(Self { name: spec.name.to_owned(), part, listen, _folder: folder })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.listen
    }

    /// A client of it.
    pub(super) fn client(&self) -> Client {
        Client::new(&ports::url(self.listen), None)
    }

    /// Processor time it has used so far.
    pub(super) fn processor_time(&mut self) -> Result<Duration> {
        process::processor_time(&mut self.part)
    }
}
