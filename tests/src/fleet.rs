//! A control plane, as many edges as are wanted, each on a Workers runtime of its own, and between them a
//! Workers KV that goes wrong as it is told to. No wrangler: what each edge sees of KV is its own.
//!
//! Real but for KV. Must never know what is tested with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use xtask::build::edge::Variant;
use xtask::build::native::Profile;
use xtask::build::{edge as build_edge, native};
use xtask::parts::control_plane::ControlPlane;
use xtask::parts::ports;
use xtask::workspace;

use crate::fake_kv::{FakeKv, Reader};
use crate::origin::Origin;
use crate::server::Server;
use crate::stack::{self, Admin, Lanes, eventually};
use crate::workerd::{self, Workerd};

/// How long the first head of all may take to reach an edge, and a published one to be told.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a fleet is to be started.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// How many edges.
    pub edges: usize,
    /// Where they read heads from.
    pub lanes: Lanes,
    profile: Profile,
    settings: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    /// Files that secrets are copied from, before those that are missing are made.
    secrets: Vec<PathBuf>,
}

impl FleetOptions {
    /// So many edges that read from there.
    pub const fn new(edges: usize, lanes: Lanes) -> Self {
        Self {
            edges,
            lanes,
            profile: Profile::Development,
            settings: Vec::new(),
            variables: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// The same with the control plane built as it is shipped.
    #[must_use]
    pub const fn as_shipped(mut self) -> Self {
        self.profile = Profile::Release;
        self
    }

    /// The same with one secret that another fleet has.
    #[must_use]
    pub fn secret_of(mut self, fleet: &Fleet, name: &str) -> Self {
        self.secrets.push(fleet.control_plane().secret(name));
        self
    }

    /// The same with one more setting of the control plane.
    #[must_use]
    pub fn setting(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// The same with one more variable of every Worker, which wins over all others.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }
}

/// The running parts. Dropping it ends them all and removes the folder.
pub struct Fleet {
    // Fields are dropped in this order: the parts before what they use.
    edges: Vec<Option<Workerd>>,
    server: Server,
    kv: Option<FakeKv>,
    readers: Vec<Reader>,
    origin: Origin,
    entry: PathBuf,
    variables: Vec<(String, String)>,
    lanes: Lanes,
    folder: TempDir,
}

impl Fleet {
    /// Builds what has changed, starts the parts and waits until every edge has its first snapshot.
    pub fn start(options: &FleetOptions) -> Result<Self> {
        let entry = build_edge::entry(stack::tools()?, Variant::default())?;
        let program = native::keyward(options.profile)?;
        let fleets = workspace::folder(workspace::target().join("test-stacks"))?;
        let folder = tempfile::Builder::new().prefix("fleet-").tempdir_in(fleets)?;
        let kv = if options.lanes.has_kv() { Some(FakeKv::start()?) } else { None };
        let readers = match &kv {
            Some(kv) => (0..options.edges).map(|_| kv.reader()).collect::<Result<_>>()?,
            None => Vec::new(),
        };
        let control_plane = ControlPlane {
            program,
            data_dir: folder.path().join("control-plane"),
            listen: ports::free()?,
            database: None,
            kv_url: kv.as_ref().map(FakeKv::url),
            settings: options.settings.clone(),
        };
        for secret in &options.secrets {
            let name = secret.file_name().context("a secret has a name")?.to_string_lossy();
            let copy = control_plane.secret(&name);
            copy.parent().map(fs::create_dir_all).transpose()?;
            fs::copy(secret, &copy).with_context(|| format!("cannot copy {name}"))?;
        }
        control_plane.init()?;
        let mut fleet = Self {
            edges: Vec::new(),
            server: Server::new(control_plane, folder.path().join("control-plane.log")),
            kv,
            readers,
            origin: Origin::start()?,
            entry,
            variables: options.variables.clone(),
            lanes: options.lanes,
            folder,
        };
        match fleet.start_parts(options.edges) {
            Ok(()) => Ok(fleet),
            Err(error) => Err(error.context(format!("its logs are kept in {}", fleet.keep().display()))),
        }
    }

    fn start_parts(&mut self, edges: usize) -> Result<()> {
        self.start_control_plane()?;
        self.published()?;
        for at in 0..edges {
            self.edges.push(None);
            self.start_edge(at, &[])?;
        }
        Ok(())
    }

    /// Starts an edge that does not run, with further variables, and waits until it has what is published.
    pub fn start_edge(&mut self, at: usize, variables: &[(&str, &str)]) -> Result<()> {
        self.start_edge_unready(at, variables)?;
        let published = self.admin()?.snapshot()?["published_generation"].as_u64().unwrap_or(0);
        self.edge(at).applied(published)
    }

    /// The same, but waits for no more than an answer.
    pub fn start_edge_unready(&mut self, at: usize, variables: &[(&str, &str)]) -> Result<()> {
        let mut all = workerd::secrets(&self.control_plane().secret("edge.env"))?;
        let lane = format!("{}/v1/snapshot", self.control_plane().url());
        let reports = format!("{}/v1/edges/report", self.control_plane().url());
        let mut set = |name: &str, value: &str| drop(all.insert(name.to_owned(), value.to_owned()));
        set("KEYWARD_KV_LANE", if self.lanes.has_kv() { "on" } else { "off" });
        set("KEYWARD_LANE_URL", if self.lanes.has_http() { &lane } else { "" });
        set("KEYWARD_REPORT_URL", &reports);
        set("KEYWARD_ORIGIN", &self.origin.url());
        let further = variables.iter().copied();
        for (name, value) in self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(further) {
            set(name, value);
        }
        ensure!(self.edges.get(at).is_some_and(Option::is_none), "edge {at} runs already, or is none of this fleet");
        let folder = workspace::folder(self.folder.path().join(format!("edge-{at}")))?;
        let kv = self.readers.get(at).map(|reader| reader.address);
        self.edges[at] = Some(Workerd::run(&folder, &self.entry, &all, kv)?);
        Ok(())
    }

    /// Ends an edge; what it held is gone.
    pub fn stop_edge(&mut self, at: usize) -> Result<()> {
        let edge = self.edges.get_mut(at).and_then(Option::take);
        edge.map(drop).with_context(|| format!("edge {at} does not run"))
    }

    /// An edge that runs.
    #[expect(clippy::missing_panics_doc, reason = "a test that names an edge it has stopped is wrong")]
    pub fn edge(&self, at: usize) -> &Workerd {
        self.edges.get(at).and_then(Option::as_ref).expect("the edge does not run")
    }

    /// The edges that run.
    pub fn edges(&self) -> impl Iterator<Item = &Workerd> {
        self.edges.iter().flatten()
    }

    /// What each edge says of itself.
    pub fn each_status(&self) -> Result<Vec<Value>> {
        self.edges().map(Workerd::status).collect()
    }

    /// Waits until every edge has applied a generation.
    pub fn applied(&self, generation: u64) -> Result<()> {
        self.edges().try_for_each(|edge| edge.applied(generation))
    }

    /// Waits until all that is committed is published, in KV where there is one, and says what is told of it.
    pub fn published(&self) -> Result<Value> {
        let admin = self.admin()?;
        let mut last = Value::Null;
        eventually(PATIENCE, || {
            last = admin.snapshot()?;
            let is_published = last["published_generation"] == last["generation"] && last["published_at"].is_string();
            ensure!(is_published, "{last}");
            Ok(())
        })?;
        Ok(last)
    }

    /// Starts the control plane, again or for the first time, and waits until it is ready.
    pub fn start_control_plane(&self) -> Result<()> {
        self.server.start_until("/readyz")
    }

    /// The same with another program in its place, and waits until a path answers 200.
    pub fn start_control_plane_as(&self, program: &Path, path: &str) -> Result<()> {
        self.server.start_as(&ControlPlane { program: program.to_owned(), ..self.control_plane().clone() }, path)
    }

    /// Ends the control plane as a crash would (SIGKILL).
    pub fn kill_control_plane(&self) -> Result<()> {
        self.server.kill()
    }

    /// Stops the control plane as an operator would (SIGTERM); it must end well.
    pub fn stop_control_plane(&self) -> Result<()> {
        self.server.stop()
    }

    /// The control plane as it is run.
    pub fn control_plane(&self) -> &ControlPlane {
        self.server.as_run()
    }

    /// The REST API with the operator's token.
    pub fn admin(&self) -> Result<Admin> {
        self.server.admin()
    }

    /// KV, which edges read under their own numbers.
    pub fn kv(&self) -> Result<&FakeKv> {
        self.kv.as_ref().context("this fleet has no KV")
    }

    /// The origin behind the edges.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The folder that everything is kept in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder with its logs behind, for somebody to read, and says where it is.
    pub fn keep(mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}
