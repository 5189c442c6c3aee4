//! The database is full, locked, or away: a change is refused and nothing of it is done, it is told that no
//! change can be made, and edges judge as before.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::database::Database;
use keyward_tests::stack::{Admin, NewKey, eventually, generation};
use keyward_tests::{Fleet, FleetOptions, Lanes};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::fleet;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::alone("with_a_locked_database_changes_are_refused_and_edges_judge_on", || fleet(&both(), locked)),
        Test::alone("with_a_full_database_changes_are_refused_and_edges_judge_on", || fleet(&both(), full)),
        Test::alone("with_its_database_gone_while_it_runs_changes_are_refused_and_edges_judge_on", || {
            fleet(&both(), gone)
        }),
        Test::alone("with_its_database_away_nothing_is_published_and_edges_judge_on", || fleet(&both(), away)),
    ]
}

/// How long a change waits for its turn at most, and some more.
const PATIENCE: Duration = Duration::from_secs(12);

/// The database's files.
const NAMES: [&str; 3] = ["keyward.db", "keyward.db-wal", "keyward.db-shm"];
/// Bytes by which each of them may grow: enough to start with, and for some changes.
const ROOM: u64 = 400_000;

fn both() -> FleetOptions {
    FleetOptions::new(1, Lanes::Both).variable("KEYWARD_KV_REFRESH_SECONDS", "1")
}

/// A key that is usable and one that is disabled, as the edge knows them.
struct Known(NewKey, NewKey);

impl Known {
    fn to(fleet: &Fleet) -> Result<Self> {
        let admin = fleet.admin()?;
        let usable = admin.key("usable")?;
        let disabled = admin.key_in(&usable.workspace, "disabled", json!({}))?;
        fleet.applied(generation(&admin.act(&disabled, "disable", &json!({}))?)?)?;
        fleet.published()?;
        let known = Self(usable, disabled);
        known.judged(fleet)?;
        Ok(known)
    }

    fn judged(&self, fleet: &Fleet) -> Result<()> {
        fleet.edge(0).edge("/v1/ping").key(&self.0.secret).send()?.must_be(200)?;
        fleet.edge(0).edge("/v1/ping").key(&self.1.secret).send()?.must_be(401).map(drop)
    }
}

/// How many keys, events and generations there are.
fn written(fleet: &Fleet) -> Result<[i64; 3]> {
    let database = Database::of(fleet.control_plane());
    let count = |query| database.count(query);
    let generations = count("SELECT max(generation) FROM audit_event")?;
    Ok([count("SELECT count(*) FROM key")?, count("SELECT count(*) FROM audit_event")?, generations])
}

/// Tries to make a key, and sees that it is refused as what may succeed later, and that the log says why.
fn refused(fleet: &Fleet, known: &Known, idempotency_key: &str) -> Result<Value> {
    let (admin, log_before) = (fleet.admin()?, log(fleet)?.len());
    let path = format!("/v1/workspaces/{}/keys", known.0.workspace);
    let body = json!({"name": "refused", "access": "read-only", "apis": ["*"]});
    let asked = Instant::now();
    let answer = admin.send("POST", &path, &[("idempotency-key", idempotency_key)], Some(&body))?.must_be(503)?;
    ensure!(asked.elapsed() < PATIENCE, "the refusal took {:?}", asked.elapsed());
    let problem = answer.json()?;
    ensure!(problem["code"] == "unavailable" && answer.header("retry-after").is_some(), "{answer:?}");
    eventually(Duration::from_secs(5), || {
        let since = log(fleet)?.split_off(log_before);
        let says = |line: &str| line.contains("ERROR") && line.contains("refused") && line.contains("cause=");
        ensure!(since.lines().any(says), "no error is logged: {since}");
        Ok(())
    })?;
    Ok(body)
}

/// All that the control plane has said.
fn log(fleet: &Fleet) -> Result<String> {
    Ok(fs::read_to_string(fleet.folder().join("control-plane.log"))?)
}

fn not_ready(admin: &Admin) -> Result<()> {
    let answer = admin.get("/readyz")?.must_be(503).context("it says that it is ready")?;
    ensure!(answer.json()?["code"] == "unavailable", "{answer:?}");
    admin.get("/healthz")?.must_be(200).context("it is alive")?;
    Ok(())
}

fn locked(fleet: &mut Fleet) -> Result<()> {
    let (admin, known) = (fleet.admin()?, Known::to(fleet)?);
    let before = written(fleet)?;
    let body = Database::of(fleet.control_plane()).locked(|| {
        let body = refused(fleet, &known, "while-locked")?;
        not_ready(&admin)?;
        known.judged(fleet)?;
        admin.get(&known.0.path())?.must_be(200).context("what is there can be read")?;
        Ok(body)
    })?;
    ensure!(written(fleet)? == before, "something is half done: {:?} instead of {before:?}", written(fleet)?);
    eventually(PATIENCE, || admin.get("/readyz")?.must_be(200).map(drop))?;
    let path = format!("/v1/workspaces/{}/keys", known.0.workspace);
    let made = admin.send("POST", &path, &[("idempotency-key", "while-locked")], Some(&body))?.must_be(201)?;
    fleet.applied(generation(&made.json()?)?)?;
    ensure!(written(fleet)? == before.map(|count| count + 1), "{:?} after {before:?}", written(fleet)?);
    Ok(())
}

/// A program that runs another with files that may not grow beyond so many blocks of 512 bytes: a write beyond
/// is refused, as on a disk that is full.
fn narrow(fleet: &Fleet, blocks: u64) -> Result<PathBuf> {
    let path = fleet.folder().join("narrow");
    let program = fleet.control_plane().program.display();
    fs::write(&path, format!("#!/bin/sh\ntrap '' XFSZ\nulimit -f {blocks}\nexec '{program}' \"$@\"\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

fn full(fleet: &mut Fleet) -> Result<()> {
    let (admin, known) = (fleet.admin()?, Known::to(fleet)?);
    fleet.stop_control_plane()?;
    let bytes = |name| fs::metadata(fleet.control_plane().data_dir.join(name)).map_or(0, |file| file.len());
    let most = NAMES.into_iter().map(bytes).max().unwrap_or_default();
    fleet.start_control_plane_as(&narrow(fleet, (most + ROOM) / 512)?, "/readyz")?;
    let (mut made, mut before) = (Vec::new(), written(fleet)?);
    let path = format!("/v1/workspaces/{}/keys", known.0.workspace);
    loop {
        let body = json!({"name": format!("made-{}", made.len()), "access": "read-only", "apis": ["*"]});
        let answer = admin.post(&path, &body)?;
        if answer.status == 503 {
            break;
        }
        made.push(answer.must_be(201)?.json()?["key"]["id"].clone());
        before = before.map(|count| count + 1);
        ensure!(made.len() < 2_000, "the disk is never full");
    }
    ensure!(!made.is_empty(), "the disk was full before anything was made");
    refused(fleet, &known, "while-full")?;
    not_ready(&admin)?;
    known.judged(fleet)?;
    ensure!(written(fleet)? == before, "something is half done: {:?} instead of {before:?}", written(fleet)?);
    admin.get(&known.0.path())?.must_be(200).context("what is there can be read")?;

    // The limit is the process's own, so that room is made by starting it again.
    fleet.kill_control_plane()?;
    known.judged(fleet)?;
    fleet.start_control_plane()?;
    // A start has events of its own, and no change.
    let [keys, _, generations] = written(fleet)?;
    ensure!([keys, generations] == [before[0], before[2]], "{keys} keys, {generations} instead of {before:?}");
    for id in &made {
        let id = id.as_str().context("an id")?;
        admin.get(&format!("{path}/{id}"))?.must_be(200).context("what was acknowledged is there")?;
    }
    let last = generation(&admin.act(&known.0, "disable", &json!({}))?)?;
    fleet.applied(last)?;
    fleet.edge(0).edge("/v1/ping").key(&known.0.secret).send()?.must_be(401)?;
    Ok(())
}

/// Takes the database's files from one folder to another.
fn move_all(from: &Path, to: &Path) -> Result<()> {
    for name in NAMES.iter().filter(|name| from.join(name).exists()) {
        fs::rename(from.join(name), to.join(name))?;
    }
    Ok(())
}

/// No database is made in the place of one that there was: what it would take would be gone when that is back.
fn away(fleet: &mut Fleet) -> Result<()> {
    let known = Known::to(fleet)?;
    let before = written(fleet)?;
    let head = fleet.kv()?.value("head").context("no head")?;
    fleet.kill_control_plane()?;
    let (here, there) = (fleet.control_plane().data_dir.clone(), fleet.folder().join("away"));
    fs::create_dir(&there)?;
    move_all(&here, &there)?;
    let started = fleet.start_control_plane_as(&fleet.control_plane().program, "/healthz");
    ensure!(started.is_err(), "it started with nothing in it");
    let log = log(fleet)?;
    ensure!(log.contains("keyward.db is not there") && log.contains("put it back"), "{log}");
    // Nor is one made by what an operator may run again.
    let init = fleet.control_plane().command("init").output()?;
    ensure!(!init.status.success(), "init made a new one");
    ensure!(NAMES.iter().all(|name| !here.join(name).exists()), "there is a database again");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(6) {
        known.judged(fleet)?;
        thread::sleep(Duration::from_millis(100));
    }
    ensure!(fleet.kv()?.value("head").as_ref() == Some(&head), "the head in KV was overwritten");
    move_all(&there, &here)?;
    fleet.start_control_plane()?;
    // A start has events of its own, and no change.
    let [keys, _, generations] = written(fleet)?;
    ensure!([keys, generations] == [before[0], before[2]], "{keys} keys, {generations} instead of {before:?}");
    works_again(fleet, &known)
}

/// SQLite would go on writing to the files that it has open, wherever they are by now.
fn gone(fleet: &mut Fleet) -> Result<()> {
    let (admin, known) = (fleet.admin()?, Known::to(fleet)?);
    let before = written(fleet)?;
    let (here, there) = (fleet.control_plane().data_dir.clone(), fleet.folder().join("gone"));
    fs::create_dir(&there)?;
    move_all(&here, &there)?;
    let body = refused(fleet, &known, "while-gone")?;
    not_ready(&admin)?;
    known.judged(fleet)?;
    // Nor is another file in its place the database.
    fs::write(here.join(NAMES[0]), [])?;
    refused(fleet, &known, "while-another")?;
    not_ready(&admin)?;
    known.judged(fleet)?;
    ensure!(NAMES[1..].iter().all(|name| !here.join(name).exists()), "another database was made");
    move_all(&there, &here)?;
    ensure!(written(fleet)? == before, "something is half done: {:?} instead of {before:?}", written(fleet)?);
    eventually(PATIENCE, || admin.get("/readyz")?.must_be(200).map(drop))?;
    let path = format!("/v1/workspaces/{}/keys", known.0.workspace);
    admin.send("POST", &path, &[("idempotency-key", "while-gone")], Some(&body))?.must_be(201)?;
    works_again(fleet, &known)
}

fn works_again(fleet: &Fleet, known: &Known) -> Result<()> {
    let last = generation(&fleet.admin()?.act(&known.0, "disable", &json!({}))?)?;
    fleet.applied(last)?;
    fleet.edge(0).edge("/v1/ping").key(&known.0.secret).send()?.must_be(401).map(drop)
}
