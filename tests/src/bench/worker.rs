//! Workers on plain `workerd`, one process each, so that what each uses of the machine is told apart.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tempfile::TempDir;
use xtask::parts::http::Client;
use xtask::parts::{Part, ports};
use xtask::{setup, workspace};

use crate::process;
use crate::workerd::{Configuration, Kind, MODULES};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a Worker is made of.
pub(super) struct Spec<'a> {
    /// What it is called in tables.
    pub(super) name: &'a str,
    /// Where each module's file lies; the first is the entry.
    pub(super) modules: Vec<(&'a str, Kind, PathBuf)>,
    /// Its variables.
    pub(super) variables: Vec<(&'a str, String)>,
    /// Its KV binding.
    pub(super) kv: Option<SocketAddr>,
    /// The path that answers once it runs, whatever the status.
    pub(super) ready: &'a str,
    /// Whether its heap is looked into.
    pub(super) inspected: bool,
}

impl<'a> Spec<'a> {
    /// The edge as it is shipped, from its entry module's folder.
    pub(super) fn edge(name: &'a str, entry: &Path, variables: Vec<(&'a str, String)>, kv: SocketAddr) -> Self {
        let folder = entry.parent().unwrap_or(Path::new("."));
        let modules = MODULES.map(|(module, kind)| (module, kind, folder.join(module)));
        Self { name, modules: modules.to_vec(), variables, kv: Some(kv), ready: "/.keyward/status", inspected: false }
    }

    /// A Worker in one file.
    pub(super) fn script(name: &'a str, file: PathBuf) -> Self {
        let modules = vec![("worker.mjs", Kind::Script, file)];
        Self { name, modules, variables: Vec::new(), kv: None, ready: "/", inspected: false }
    }
}

/// A running Worker, ended when dropped.
pub(super) struct Worker {
    part: Part,
    listen: SocketAddr,
    inspector: SocketAddr,
    _folder: TempDir,
}

/// Bytes of a Worker's JavaScript heap.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Heap {
    /// As it was when it was asked, garbage included.
    pub(super) uncollected: u64,
    /// After a collection.
    pub(super) collected: u64,
}

impl Worker {
    /// Starts one and waits until it answers.
    pub(super) fn start(spec: &Spec<'_>) -> Result<Self> {
        let mut worker = Self::listening(spec)?;
        let client = worker.client();
        worker.part.wait_until(PATIENCE, || client.get(spec.ready).map(drop))?;
        Ok(worker)
    }

    /// Starts one and waits until it listens; nothing has been asked of it then.
    pub(super) fn listening(spec: &Spec<'_>) -> Result<Self> {
        let (listen, inspector) = (ports::free()?, ports::free()?);
        let folder = tempfile::Builder::new().prefix("keyward-bench-").tempdir()?;
        for (name, _, file) in &spec.modules {
            let copy = folder.path().join(name);
            fs::create_dir_all(copy.parent().context("a module lies in a folder")?)?;
            fs::copy(file, &copy).with_context(|| format!("cannot copy {}", file.display()))?;
        }
        let modules: Vec<_> = spec.modules.iter().map(|(name, kind, _)| (*name, *kind)).collect();
        let variables = spec.variables.iter().map(|(name, _)| *name).collect();
        let flags: &[_] = if spec.inspected { &["--expose-gc"] } else { &[] };
        let configuration = Configuration { listen, modules: &modules, variables, kv: spec.kv, flags };
        let config = folder.path().join("config.capnp");
        fs::write(&config, configuration.to_text()?)?;
        let mut command = Command::new(setup::npm_program("workerd"));
        command.arg("serve").arg(&config);
        if spec.inspected {
            command.arg(format!("--inspector-addr={inspector}"));
        }
        command.envs(spec.variables.iter().map(|(name, value)| (name, value)));
        let mut part = Part::start("workerd", &command, &folder.path().join("workerd.log"))?;
        part.wait_until(PATIENCE, || TcpStream::connect(listen).map(drop).map_err(Into::into))?;
        Ok(Self { part, listen, inspector, _folder: folder })
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

    /// What V8 holds for it: its heap, WebAssembly's memory apart. Collects its garbage.
    pub(super) fn heap(&self) -> Result<Heap> {
        let script = workspace::root().join("tests/node/heap.mjs");
        let output = Command::new(setup::npm_program("node")).arg(script).arg(self.inspector.to_string()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "heap.mjs: {said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_str(said.trim())?)
    }

    /// What it says of itself.
    pub(super) fn status(&self) -> Result<serde_json::Value> {
        self.client().get("/.keyward/status")?.must_be(200)?.json()
    }
}
