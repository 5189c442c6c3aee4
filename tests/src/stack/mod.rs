//! A whole stack of real parts on free ports, in a folder of its own.

mod admin;
mod config;
mod options;
mod request;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use xtask::build::edge::Variant;
use xtask::build::{edge as build_edge, native};
use xtask::parts::control_plane::ControlPlane;
use xtask::parts::edge::Edge;
use xtask::parts::http::Client;
use xtask::parts::{Part, ports};
use xtask::setup::{self, Tools};
use xtask::workspace;

pub(crate) use admin::Secrets;
pub use admin::{Admin, NewKey, generation};
pub use options::{Lanes, Mode, Options};
pub use request::{EdgeRequest, basic};

use crate::kv::KvFront;
use crate::origin::Origin;
use crate::raw::{self, RawAnswer};
use crate::server::Server;

/// How long a change may take to reach the edge before a test calls it lost.
const PATIENCE: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// The running parts. Dropping it ends them all and removes the folder.
pub struct Stack {
    // Fields are dropped in this order: the parts before what they use.
    edge_part: Mutex<Option<Part>>,
    server: Server,
    edge: Edge,
    entry: PathBuf,
    kv: Option<KvFront>,
    origin: Origin,
    edge_client: Client,
    folder: TempDir,
}

impl Stack {
    /// Builds what has changed, starts the parts and waits until the edge has its first snapshot
    /// (where the options start the control plane at once).
    pub fn start(options: &Options) -> Result<Self> {
        let tools = tools()?;
        let keyward = native::keyward(options.profile)?;
        let variant = Variant { features: options.edge_features };
        let entry = build_edge::entry(tools, variant)?;
        let stacks = workspace::folder(workspace::target().join("test-stacks"))?;
        let folder = tempfile::Builder::new().prefix("stack-").tempdir_in(stacks)?;
        let origin = Origin::start()?;
        let edge = Edge {
            config: config::write(folder.path(), &entry, options)?,
            listen: ports::free()?,
            state: folder.path().join("edge"),
            variables: vec![
                folder.path().join("control-plane/secrets/edge.env"),
                folder.path().join("edge/variables.env"),
            ],
        };
        let kv = if options.lanes.has_kv() { Some(KvFront::start(edge.listen)?) } else { None };
        let control_plane = ControlPlane {
            program: keyward,
            data_dir: folder.path().join("control-plane"),
            listen: ports::free()?,
            database: None,
            kv_url: match &kv {
                Some(front) => Some(edge.kv_url()?.replace(&edge.url(), &ports::url(front.address()))),
                None => None,
            },
            settings: options.settings.clone(),
        };
        config::write_variables(&edge.variables[1], &origin.url(), &control_plane.url(), options)?;
        control_plane.init()?;
        let stack = Self {
            edge_part: Mutex::default(),
            server: Server::new(control_plane, folder.path().join("logs/control-plane.log")),
            edge_client: Client::new(&edge.url(), None),
            edge,
            entry,
            kv,
            origin,
            folder,
        };
        match stack.start_parts(options.control_plane_at_once) {
            Ok(()) => Ok(stack),
            Err(error) => {
                let logs = stack.keep().join("logs");
                Err(error.context(format!("its logs are kept in {}", logs.display())))
            }
        }
    }

    fn start_parts(&self, control_plane_at_once: bool) -> Result<()> {
        if control_plane_at_once {
            self.start_control_plane()?;
        }
        self.start_edge()?;
        if control_plane_at_once {
            let generation = self.admin()?.snapshot()?["generation"].as_u64().unwrap_or(0);
            self.applied(generation).context("the edge got no first snapshot")?;
        }
        Ok(())
    }

    /// Starts the control plane, again or for the first time, and waits until it is ready.
    pub fn start_control_plane(&self) -> Result<()> {
        self.start_control_plane_until("/readyz")
    }

    /// The same, but waits for another path to answer 200.
    pub fn start_control_plane_until(&self, path: &str) -> Result<()> {
        self.server.start_until(path)
    }

    /// Ends the control plane as a crash would (SIGKILL).
    pub fn kill_control_plane(&self) -> Result<()> {
        self.server.kill()
    }

    /// Stops the control plane as an operator would (SIGTERM); it must end well.
    pub fn stop_control_plane(&self) -> Result<()> {
        self.server.stop()
    }

    /// Asks the control plane to stop (SIGTERM) without waiting for it; `stop_control_plane` waits.
    pub fn begin_to_stop_control_plane(&self) -> Result<()> {
        self.server.begin_to_stop()
    }

    /// All that the control plane has said, over its restarts.
    pub fn control_plane_log(&self) -> PathBuf {
        self.server.log().to_owned()
    }

    /// All that the edge has said, over its restarts.
    pub fn edge_log(&self) -> PathBuf {
        self.folder.path().join("logs/edge.log")
    }

    /// Starts the edge and waits until it answers.
    pub fn start_edge(&self) -> Result<()> {
        let mut part = lock(&self.edge_part);
        ensure!(part.is_none(), "the edge runs already");
        *part = Some(self.edge.start(&self.edge_log())?);
        Ok(())
    }

    /// Stops the edge, and with it the KV that lives in it.
    pub fn stop_edge(&self) -> Result<()> {
        let part = lock(&self.edge_part).take();
        part.context("the edge does not run")?.process().stop()?;
        Ok(())
    }

    /// The REST API with the operator's token.
    pub fn admin(&self) -> Result<Admin> {
        self.server.admin()
    }

    /// The REST API with another token, an operator's or a member's.
    pub fn admin_with(&self, token: &str) -> Admin {
        self.server.admin_with(token)
    }

    /// The REST API without any token, or with one of the test's own by header.
    pub fn stranger(&self) -> Client {
        Client::new(&self.control_plane_url(), None)
    }

    /// A request to the edge for a path, GET unless said otherwise.
    pub fn edge(&self, path: &str) -> EdgeRequest<'_> {
        EdgeRequest::new(&self.edge_client, path)
    }

    /// Sends bytes to the edge as they are.
    pub fn raw(&self, request: &[u8]) -> Result<RawAnswer> {
        raw::send(self.edge.listen, request)
    }

    /// The origin behind the edge.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where the edge listens.
    pub fn edge_address(&self) -> SocketAddr {
        self.edge.listen
    }

    /// The edge's base URL.
    pub fn edge_url(&self) -> String {
        self.edge.url()
    }

    /// The control plane's base URL.
    pub fn control_plane_url(&self) -> String {
        self.control_plane().url()
    }

    /// What stands between the control plane and KV.
    pub fn kv(&self) -> Result<&KvFront> {
        self.kv.as_ref().context("this stack has no KV")
    }

    /// The KV namespace itself, by its REST API, whatever the control plane is made to see of it.
    pub fn kv_namespace(&self) -> Result<Client> {
        Ok(Client::new(&self.edge.kv_url()?, None))
    }

    /// The control plane as it is run, for the binary's other commands.
    pub fn control_plane(&self) -> &ControlPlane {
        self.server.as_run()
    }

    /// The folder that everything is kept in; logs are under `logs`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the edge says of itself.
    pub fn edge_status(&self) -> Result<Value> {
        self.edge("/.keyward/status").send()?.must_be(200)?.json()
    }

    /// Waits until the edge has applied a generation.
    pub fn applied(&self, generation: u64) -> Result<()> {
        applied(&self.edge_client, generation)
    }

    /// The entry module of the Worker that runs.
    pub(crate) fn entry(&self) -> &Path {
        &self.entry
    }

    /// Leaves the folder with its logs behind, for somebody to read, and says where it is.
    pub fn keep(mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

/// Waits until an edge has applied a generation.
pub(crate) fn applied(edge: &Client, generation: u64) -> Result<()> {
    eventually(PATIENCE, || {
        let status = edge.get("/.keyward/status")?.must_be(200)?.json()?;
        ensure!(
            status["state"] == "fresh" && status["generation"].as_u64() >= Some(generation),
            "the edge says {status}, generation {generation} is wanted"
        );
        Ok(())
    })
}

/// What builds and runs the edge: seen to once, by the first stack of a run.
pub(crate) fn tools() -> Result<&'static Tools> {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = lock(&ONE_AT_A_TIME);
    if let Some(tools) = TOOLS.get() {
        return Ok(tools);
    }
    let tools = setup::tools()?;
    Ok(TOOLS.get_or_init(|| tools))
}

/// Repeats a check until it holds; its last word is the error.
pub fn eventually(patience: Duration, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    loop {
        let Err(error) = check() else {
            return Ok(());
        };
        if started.elapsed() > patience {
            bail!("not within {} s: {error:#}", patience.as_secs());
        }
        thread::sleep(ASK_EVERY);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
