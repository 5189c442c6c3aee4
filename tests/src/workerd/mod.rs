//! The edge on the Workers runtime alone, without wrangler's proxy in front: bytes reach the Worker as
//! they were sent. Beside a stack it has no KV, and heads and objects come from the stack's control plane.
//!
//! It starts in a fraction of a second, so a test that wants the Worker's variables otherwise takes
//! one of these. Must never know what the Worker does with its variables.

mod configuration;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use xtask::parts::http::Client;
use xtask::parts::{Part, ports};
use xtask::{setup, workspace};

use crate::process;
use crate::raw::{self, RawAnswer};
use crate::stack::{EdgeRequest, Stack, applied};

pub(crate) use configuration::{Configuration, Kind};

const PATIENCE: Duration = Duration::from_secs(20);
/// The hand-written entry, the module beside it, and what is built.
pub(crate) const MODULES: [(&str, Kind); 4] = [
    ("entry.mjs", Kind::Script),
    ("report.mjs", Kind::Script),
    ("build/index.js", Kind::Script),
    ("build/index_bg.wasm", Kind::WebAssembly),
];

/// Gives each a folder of its own.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// A running edge, ended when dropped.
pub struct Workerd {
    _part: Part,
    guard: u32,
    listen: SocketAddr,
    client: Client,
    log: PathBuf,
}

impl Workerd {
    /// Starts another edge of a stack, for the same origin, with further variables of the Worker, and
    /// waits until it has what the control plane has published. An empty variable is as good as none.
    pub fn start(stack: &Stack, variables: &[(&str, &str)]) -> Result<Self> {
        let edge = Self::start_unready(stack, variables)?;
        let published = stack.admin()?.snapshot()?["published_generation"].as_u64().unwrap_or(0);
        edge.applied(published)?;
        Ok(edge)
    }

    /// The same, but waits for no more than an answer.
    pub fn start_unready(stack: &Stack, variables: &[(&str, &str)]) -> Result<Self> {
        let all = Self::variables(stack, variables)?;
        let folder = format!("workerd-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        Self::run(&workspace::folder(stack.folder().join(folder))?, stack.entry(), &all, None)
    }

    /// The variables and secrets of another edge of a stack, these among them.
    pub fn variables(stack: &Stack, variables: &[(&str, &str)]) -> Result<BTreeMap<String, String>> {
        let mut all = secrets(&stack.control_plane().secret("edge.env"))?;
        let lane = format!("{}/v1/snapshot", stack.control_plane_url());
        let origin = stack.origin().url();
        let usual = [("KEYWARD_KV_LANE", "off"), ("KEYWARD_LANE_URL", &lane), ("KEYWARD_ORIGIN", &origin)];
        for (name, value) in usual.iter().chain(variables) {
            all.insert((*name).to_owned(), (*value).to_owned());
        }
        Ok(all)
    }

    /// Starts one in a folder of its own with these variables, and with what speaks its KV binding's protocol.
    pub(crate) fn run(
        folder: &Path,
        entry: &Path,
        variables: &BTreeMap<String, String>,
        kv: Option<SocketAddr>,
    ) -> Result<Self> {
        let listen = ports::free()?;
        let source = entry.parent().context("the entry module lies in no folder")?;
        for (module, _) in MODULES {
            let copy = folder.join(module);
            if let Some(folder) = copy.parent() {
                workspace::folder(folder)?;
            }
            fs::copy(source.join(module), &copy).with_context(|| format!("cannot copy {module}"))?;
        }
        let config = folder.join("config.capnp");
        let variables_named = variables.keys().map(String::as_str).collect();
        let configuration = Configuration { listen, modules: &MODULES, variables: variables_named, kv, flags: &[] };
        fs::write(&config, configuration.to_text()?)?;
        let mut command = Command::new(setup::npm_program("workerd"));
        command.arg("serve").arg(&config).envs(variables);
        let log = folder.join("workerd.log");
        let mut part = Part::start("workerd", &command, &log)?;
        let client = Client::new(&ports::url(listen), None);
        part.wait_until(PATIENCE, || client.get("/.keyward/status")?.must_be(200).map(drop))?;
        Ok(Self { guard: part.process().id(), _part: part, listen, client, log })
    }

    /// A request for a path, GET unless said otherwise.
    pub fn edge(&self, path: &str) -> EdgeRequest<'_> {
        EdgeRequest::new(&self.client, path)
    }

    /// Sends bytes as they are.
    pub fn raw(&self, request: &[u8]) -> Result<RawAnswer> {
        raw::send(self.listen, request)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Waits until it has applied a generation.
    pub fn applied(&self, generation: u64) -> Result<()> {
        applied(&self.client, generation)
    }

    /// What it says of itself.
    pub fn status(&self) -> Result<serde_json::Value> {
        self.edge("/.keyward/status").send()?.must_be(200)?.json()
    }

    /// Bytes of memory that it has had resident at once, at most, since it began or since
    /// [`Self::forget_peak_memory`].
    pub fn peak_memory(&self) -> Result<u64> {
        process::peak_memory(self.guard)
    }

    /// Has the peak begin anew with what is resident now.
    pub fn forget_peak_memory(&self) -> Result<()> {
        process::forget_peak(self.guard)
    }

    /// What it has logged so far.
    pub fn log(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("cannot read {}", self.log.display()))
    }
}

/// The secrets that `keyward init` makes for an edge.
pub(crate) fn secrets(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let variable = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    Ok(text.lines().filter_map(variable).collect())
}
