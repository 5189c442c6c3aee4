//! Keyward beside what else people verify API keys with, each doing the least it can: all answer the
//! same ping to the same keys.
//!
//! They do not do the same: none but Keyward can take a key away without being told anew of all, and
//! nginx and `HAProxy` are native programs that hash nothing here. Only what is measured is said.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use xtask::build::edge::Variant;
use xtask::parts::http::Client;
use xtask::parts::{Part, ports};
use xtask::{build, setup, step};

use super::contest::{self, Contender};
use super::edge::{CONNECTIONS, PING, live, share, store_of, workers};
use super::fixture::{self, Fixture};
use super::load::Load;
use super::store::Store;
use super::worker::Spec;
use super::{Report, Scale};

const ROUNDS: usize = 10;
const SIZES: [u64; 2] = [1_000, 100_000];
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures and reports.
pub(super) fn measure(_scale: Scale) -> Result<Report> {
    let entry = build::edge::entry(&setup::tools()?, Variant::default())?;
    let folder = tempfile::Builder::new().prefix("keyward-peers-").tempdir()?;
    let mut rows = Vec::new();
    for size in SIZES {
        let fixture = Arc::new(Fixture::new(size)?);
        let mut contenders = contenders(&fixture, &entry, &folder)?;
        contest::hold(ROUNDS, &mut contenders)?;
        let [edge, others @ ..] = contenders.as_slice() else { continue };
        rows.extend(contenders.iter().flat_map(Contender::rows));
        rows.extend(others.iter().map(|other| share(&format!("Keyward to {}", other.name), edge, other)));
    }
    Ok(Report::new("peers", rows))
}

fn contenders(fixture: &Arc<Fixture>, entry: &Path, folder: &TempDir) -> Result<Vec<Contender>> {
    let keys = fixture.keys();
    let folder = folder.path().join(keys.to_string());
    fs::create_dir(&folder)?;
    let store = store_of(fixture)?;
    let named = |what: &str| format!("{what}, {keys} keys");
    let records = records(keys)?;
    let mut usual = Spec::script("usual", workers("usual.mjs"));
    usual.kv = Some(records.address());
    let usual_name = named("WebCrypto and a KV read");
    usual.name = &usual_name;
    let (edge_name, hono_name) = (named("Keyward"), named("Hono basicAuth with a Map"));
    let mut hono = Spec::script(&hono_name, bundle_hono(&folder, keys)?);
    hono.ready = PING;
    Ok(vec![
        Contender::worker(&Spec::edge(&edge_name, entry, fixture::variables(), store.address()), live(fixture, PING)?)?,
        Contender::worker(&usual, live(fixture, PING)?)?,
        Contender::worker(&hono, live(fixture, PING)?)?,
        nginx(&named("nginx auth_basic"), &folder, fixture)?,
        haproxy(&named("HAProxy with a map"), &folder, fixture)?,
    ])
}

/// Workers KV with a JSON record for each key, under the SHA-256 of the key.
fn records(keys: u64) -> Result<Store> {
    let name = |number| format!("key:{}", hex::encode(Sha256::digest(fixture::secret(number))));
    let names: std::collections::HashSet<String> = (0..keys).map(name).collect();
    Store::start(move |key| {
        let record =
            br#"{"id":"key_00000000001","workspace":"ws_00000000001","active":true,"expires_at":4102444800000}"#;
        names.contains(key).then(|| record.to_vec())
    })
}

/// Hono's Worker with its keys, in one file.
fn bundle_hono(folder: &Path, keys: u64) -> Result<PathBuf> {
    let mut list = String::from("export const KEYS = new Map([\n");
    for number in 0..keys {
        writeln!(list, "['{}',{number}],", fixture::secret(number))?;
    }
    list.push_str("]);\n");
    fs::write(folder.join("keys.mjs"), list)?;
    fs::copy(workers("hono.mjs"), folder.join("hono.mjs"))?;
    let bundle = folder.join("hono-bundle.mjs");
    let mut esbuild = Command::new(setup::npm_program("esbuild"));
    esbuild.args(["--bundle", "--format=esm", "--minify", "--log-level=warning"]).arg(folder.join("hono.mjs"));
    esbuild
        .arg(format!("--outfile={}", bundle.display()))
        .env("NODE_PATH", xtask::workspace::root().join("node_modules"));
    setup::with_npm_programs(&mut esbuild);
    let step = step::Step::begin("bundle");
    step::run(&step, &esbuild, "bundle", "see esbuild's words above")?;
    step.done("made");
    Ok(bundle)
}

/// One process and one file of users, their passwords in the clear: the least that nginx can do.
fn nginx(name: &str, folder: &Path, fixture: &Fixture) -> Result<Contender> {
    let listen = ports::free()?;
    let mut users = String::new();
    for number in 0..fixture.keys() {
        writeln!(users, "key-{number}:{{PLAIN}}{}", fixture::secret(number))?;
    }
    fs::write(folder.join("users"), users)?;
    fs::create_dir_all(folder.join("www/v1"))?;
    fs::write(folder.join("www/v1/ping"), r#"{"data":"pong!"}"#)?;
    let here = folder.display();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log {here}/nginx.log;\n\
         events {{ worker_connections 64; }}\n\
         http {{\n  access_log off;\n  keepalive_requests 100000000;\n  default_type application/json;\n\
         \x20 client_body_temp_path {here}/body;\n  proxy_temp_path {here}/proxy;\n\
         \x20 fastcgi_temp_path {here}/fastcgi;\n  uwsgi_temp_path {here}/uwsgi;\n  scgi_temp_path {here}/scgi;\n\
         \x20 server {{\n    listen {listen};\n    root {here}/www;\n    auth_basic API;\n\
         \x20   auth_basic_user_file {here}/users;\n    add_header x-keyward-request-id $request_id;\n  }}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), config)?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(folder.join("nginx.log")).arg("-c").arg(folder.join("nginx.conf"));
    let credential = |number: u64| {
        let pair = BASE64_STANDARD.encode(format!("key-{number}:{}", fixture::secret(number)));
        (PING, format!("Basic {pair}"))
    };
    let load = Load::new(CONNECTIONS, fixture.sample(10_000).into_iter().map(credential))?;
    start(name, &command, &folder.join("nginx-said"), listen, load)
}

/// One thread and one map from the whole header to a key's id.
fn haproxy(name: &str, folder: &Path, fixture: &Fixture) -> Result<Contender> {
    let listen = ports::free()?;
    let mut map = String::new();
    for number in 0..fixture.keys() {
        let basic = fixture::basic(&fixture::secret(number));
        let value = basic.strip_prefix("Basic ").context("a credential")?;
        writeln!(map, "{value} key-{number}")?;
    }
    fs::write(folder.join("keys.map"), map)?;
    let here = folder.display();
    let config = format!(
        "global\n  nbthread 1\n  maxconn 1000\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 5s\n\
         frontend edge\n  bind {listen}\n\
         \x20 http-request set-var(txn.key) req.hdr(authorization),regsub(^Basic\\ ,),map_str({here}/keys.map)\n\
         \x20 http-request deny deny_status 401 unless {{ var(txn.key) -m found }}\n\
         \x20 http-request return status 200 content-type application/json hdr x-keyward-request-id %[uuid()] \
         string \"{{\\\"data\\\":\\\"pong!\\\"}}\"\n"
    );
    fs::write(folder.join("haproxy.cfg"), config)?;
    let mut command = Command::new("haproxy");
    command.args(["-q", "-db", "-f"]).arg(folder.join("haproxy.cfg"));
    start(name, &command, &folder.join("haproxy-said"), listen, live(fixture, PING)?)
}

fn start(name: &str, command: &Command, log: &Path, listen: SocketAddr, load: Load) -> Result<Contender> {
    let mut part = Part::start("peer", command, log)?;
    let client = Client::new(&ports::url(listen), None);
    part.wait_until(PATIENCE, || client.get(PING).map(drop))?;
    Ok(Contender::part(name, part, listen, load))
}
