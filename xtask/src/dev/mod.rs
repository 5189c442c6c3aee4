//! `cargo xtask dev`: the whole product on this machine, with a demo key that works.
//!
//! Must never know how a part is built or started; it says where, and in which order.

mod demo;
mod handover;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, bail};

use crate::build::edge as build_edge;
use crate::build::edge::Variant;
use crate::build::native;
use crate::parts::control_plane::ControlPlane;
use crate::parts::edge::{Edge, write_variables};
use crate::parts::http::Client;
use crate::parts::{Part, origin, ports};
use crate::step::Step;
use crate::{setup, stop, workspace};

use demo::Demo;
use handover::Handover;

/// How often the running parts are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const DEFAULT_DATA_DIR: &str = ".keyward";

/// What `cargo xtask dev` may be told.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Folder for the secrets, the databases, the logs and dev.json [default: .keyward in the checkout]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the control plane listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    control_plane: SocketAddr,
    /// Where the edge listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    edge: SocketAddr,
    /// The origin that the edge forwards to [default: a demo origin that echoes what reached it]
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// The control plane's database [default: SQLite in the data folder]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Installs, builds, starts, and runs until Ctrl-C or SIGTERM.
pub fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    let data_dir = data_dir(options)?;
    let _lock = only_one(&data_dir)?;
    let mut handover = Handover::open(&data_dir)?;
    ports::must_be_free(options.control_plane, "--control-plane")?;
    ports::must_be_free(options.edge, "--edge")?;

    eprintln!("Setting up");
    let tools = setup::tools()?;
    eprintln!("Building");
    let programs = native::programs()?;
    build_edge::entry(&tools, Variant::default())?;

    stop::listen()?;
    eprintln!("Starting");
    let mut parts = Vec::new();
    let result = start(options, &data_dir, &programs, &mut handover, &mut parts).and_then(|()| {
        announce(&handover, &data_dir, started.elapsed());
        watch(&mut parts)
    });
    eprintln!("\nStopping");
    handover.withdraw()?;
    for part in &mut parts {
        part.process().begin_stop();
    }
    drop(parts);
    if stop::requested() { Ok(()) } else { result }
}

fn data_dir(options: &Options) -> Result<PathBuf> {
    let path = match &options.data_dir {
        Some(path) => env::current_dir()?.join(path),
        None => workspace::root().join(DEFAULT_DATA_DIR),
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .with_context(|| format!("cannot make the data folder {}", path.display()))?;
    Ok(path)
}

/// Holds a data folder for one `dev` at a time.
fn only_one(data_dir: &Path) -> Result<File> {
    let path = data_dir.join("dev.lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    if file.try_lock().is_err() {
        bail!(
            "another `cargo xtask dev` uses {}.\n\
             What to do: end it, or give this one another --data-dir, --control-plane and --edge",
            data_dir.display()
        );
    }
    Ok(file)
}

fn start(
    options: &Options,
    data_dir: &Path,
    programs: &native::Programs,
    handover: &mut Handover,
    parts: &mut Vec<Part>,
) -> Result<()> {
    let logs = data_dir.join("logs");
    let origin_url = if let Some(url) = &options.origin {
        url.clone()
    } else {
        let step = Step::begin("demo origin");
        let address = ports::free()?;
        parts.push(origin::start(&programs.demo_origin, address, &logs.join("origin.log"))?);
        step.done("answers");
        ports::url(address)
    };
    let edge = Edge {
        config: Edge::shipped_config(),
        listen: options.edge,
        state: data_dir.join("edge"),
        variables: vec![data_dir.join("secrets/edge.env"), data_dir.join("edge/variables.env")],
    };
    let control_plane = ControlPlane {
        program: programs.keyward.clone(),
        data_dir: data_dir.to_owned(),
        listen: options.control_plane,
        database: options.database.clone(),
        kv_url: Some(edge.kv_url()?),
        settings: Vec::new(),
    };

    let step = Step::begin("control plane");
    control_plane.init()?;
    parts.push(control_plane.start(&logs.join("control-plane.log"))?);
    step.done("answers");

    let step = Step::begin("edge");
    write_variables(
        &edge.variables[1],
        &[("KEYWARD_ORIGIN", &origin_url), ("KEYWARD_LANE_URL", &format!("{}/v1/snapshot", control_plane.url()))],
    )?;
    parts.push(edge.start(&logs.join("edge.log"))?);
    step.done("answers");

    let step = Step::begin("demo key");
    let token = fs::read_to_string(control_plane.secret("operator-token"))
        .context("`keyward init` left no operator's token")?
        .trim()
        .to_owned();
    let demo =
        Demo { admin: Client::new(&control_plane.url(), Some(token.clone())), edge: Client::new(&edge.url(), None) };
    let key = demo.key(handover.last_key())?;
    step.done("answers");
    handover.hand_over(handover::Facts {
        control_plane_url: control_plane.url(),
        console_url: format!("{}/console", control_plane.url()),
        edge_url: edge.url(),
        origin_url,
        admin_token: token,
        demo_workspace_id: key.workspace_id,
        demo_key_id: key.id,
        demo_key: key.secret,
    })
}

fn announce(handover: &Handover, data_dir: &Path, took: Duration) {
    let Some(facts) = handover.facts() else {
        return;
    };
    println!("\nKeyward runs, started in {:.1} s. Ctrl-C stops it.\n", took.as_secs_f32());
    println!("  edge           {}", facts.edge_url);
    println!("  control plane  {}", facts.control_plane_url);
    println!("  origin         {}", facts.origin_url);
    println!("  admin token    {}", data_dir.join("secrets/operator-token").display());
    println!("  all of it      {}", data_dir.join("dev.json").display());
    println!("  logs           {}", data_dir.join("logs").display());
    println!("\nTry it:\n\n  curl -u {}: {}/v1/ping\n", facts.demo_key, facts.edge_url);
}

/// Waits for the order to stop; a part that ends before that is an error.
fn watch(parts: &mut [Part]) -> Result<()> {
    while !stop::requested() {
        for part in parts.iter_mut() {
            part.must_run()?;
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
