//! The commands of the product's own binary, against running parts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, str};

use anyhow::{Context, Result, ensure};
use keyward_tests::database::Database;
use keyward_tests::{Client, Stack};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::Test;
use crate::turns::QUIET;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::in_turn("init_again_changes_nothing_and_prints_no_secret", &QUIET, init),
        Test::in_turn("a_created_token_opens_the_api_and_is_kept_as_a_hash", &QUIET, token),
        Test::shared("snapshot_inspect_shows_what_the_edge_has", inspect),
        Test::shared("doctor_finds_all_well", doctor),
        Test::in_turn("asked_to_stop_it_answers_what_runs_and_gives_the_lease_back", &QUIET, graceful),
        Test::in_turn("a_second_serve_on_the_same_data_is_refused", &QUIET, second_serve),
    ]
}

const SECRETS: [&str; 6] = ["pepper", "signing-key", "kek", "edge-credential", "origin-secret", "operator-token"];

fn init(stack: &Stack) -> Result<()> {
    let control_plane = stack.control_plane();
    let files = || -> Result<Vec<(String, u32, Vec<u8>)>> {
        let names = SECRETS.into_iter().chain(["edge.env"]);
        names
            .map(|name| {
                let path = control_plane.secret(name);
                let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
                Ok((name.to_owned(), mode, fs::read(&path)?))
            })
            .collect()
    };
    let before = files()?;
    ensure!(before.iter().all(|(_, mode, _)| *mode == 0o600), "{:?}", before.iter().map(|file| file.1));
    let said = told(&well(control_plane.command("init"))?);
    ensure!(files()? == before, "a secret changed");
    for (name, _, bytes) in before.iter().filter(|(name, ..)| name != "edge.env") {
        ensure!(!said.contains(str::from_utf8(bytes)?.trim()), "{name} is printed");
    }
    ensure!(said.contains("wrangler secret put KEYWARD_PEPPER"), "{said}");
    stack.admin()?.get("/v1/workspaces")?.must_be(200)?;
    Ok(())
}

fn token(stack: &Stack) -> Result<()> {
    let mut create = stack.control_plane().command("token");
    // The folder's flag belongs to the inner command.
    create = rearranged(&create, "create");
    create.args(["--name", "somebody", "--expires-in", "1h"]);
    let output = well(create)?;
    let token = str::from_utf8(&output.stdout)?.trim().to_owned();
    ensure!(token.starts_with("kwt_"), "not a token");
    let somebody = Client::new(&stack.control_plane_url(), Some(token.clone()));
    let made = somebody.post("/v1/workspaces", &json!({"name": "by somebody"}))?.must_be(201)?;
    ensure!(!made.text().contains(&token), "the token is in an answer");
    let database = Database::of(stack.control_plane());
    let of_somebody = database.count("SELECT count(*) FROM audit_event WHERE actor_name = 'somebody'")?;
    ensure!(of_somebody == 1, "{of_somebody} events name who did it");
    kept_as_a_hash(stack, &token)
}

/// The database has the token's SHA-256, and no file of the control plane's has the token.
pub(crate) fn kept_as_a_hash(stack: &Stack, token: &str) -> Result<()> {
    let hash = format!("SELECT count(*) FROM token WHERE hash = x'{}'", hex::encode(Sha256::digest(token)));
    ensure!(Database::of(stack.control_plane()).count(hash.leak())? == 1, "its hash is not there");
    for file in fs::read_dir(&stack.control_plane().data_dir)? {
        let path = file?.path();
        if path.is_file() {
            let bytes = fs::read(&path)?;
            let clear = bytes.windows(token.len()).any(|window| window == token.as_bytes());
            ensure!(!clear, "the token is in {}", path.display());
        }
    }
    Ok(())
}

fn inspect(stack: &Stack) -> Result<()> {
    let key = stack.admin()?.key("inspect")?;
    stack.applied(key.generation)?;
    let mut inspect = rearranged(&stack.control_plane().command("snapshot"), "inspect");
    inspect.args(["--url", &format!("{}/v1/snapshot/head", stack.control_plane_url())]);
    let said = told(&well(inspect)?);
    let generation = said.lines().find_map(|line| line.strip_prefix("generation")).context("no generation")?;
    ensure!(generation.trim().parse::<u64>()? >= key.generation, "{said}");
    ensure!(said.contains("good until then"), "{said}");
    ensure!(!said.contains(&key.secret), "a secret is printed");
    Ok(())
}

fn doctor(stack: &Stack) -> Result<()> {
    let mut doctor = Command::new(&stack.control_plane().program);
    doctor
        .args(["doctor", "--edge", &stack.edge_url(), "--control-plane", &stack.control_plane_url(), "--token-file"])
        .arg(stack.control_plane().secret("operator-token"));
    let said = told(&well(doctor)?);
    for line in ["created", "accepted         after", "disabled", "refused          after", "cleaned up", "all is well"]
    {
        ensure!(said.contains(line), "no line of `{line}` in:\n{said}");
    }
    ensure!(!said.contains("kw_") && !said.contains("kwt_"), "a secret is printed:\n{said}");
    let left = stack.admin()?.get("/v1/workspaces?limit=200")?.must_be(200)?.text();
    ensure!(!left.contains("\"doctor-"), "doctor left something behind");
    Ok(())
}

fn graceful(stack: &Stack) -> Result<()> {
    let admin = stack.admin()?;
    let database = Database::of(stack.control_plane());
    let held = "SELECT count(*) FROM lease WHERE holder IS NOT NULL";
    ensure!(database.count(held)? == 1, "nobody holds the lease");
    let body = json!({"name": "made while stopping", "slug": admin.fresh_name("stopping")}).to_string();
    let address = stack.control_plane().listen;
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let token = admin.token().context("no token")?;
    let head = format!(
        "POST /v1/workspaces HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let (one, rest) = body.split_at(body.len() / 2);
    connection.write_all(head.as_bytes())?;
    connection.write_all(one.as_bytes())?;
    thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    stack.begin_to_stop_control_plane()?;
    thread::sleep(Duration::from_millis(300));
    ensure!(TcpStream::connect(address).is_err(), "it still takes connections");
    connection.write_all(rest.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).context("the request that ran was cut off")?;
    ensure!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    stack.stop_control_plane()?;
    ensure!(asked.elapsed() < Duration::from_secs(8), "it took {:?} to stop", asked.elapsed());
    ensure!(database.count(held)? == 0, "the lease was not given back");
    let log = fs::read_to_string(stack.control_plane_log())?;
    ensure!(log.contains("stopped"), "the log does not say that it stopped");
    stack.start_control_plane()?;
    ensure!(admin.get("/v1/workspaces")?.must_be(200)?.text().contains("made while stopping"), "the change is lost");
    Ok(())
}

fn second_serve(stack: &Stack) -> Result<()> {
    let mut second = stack.control_plane().command("serve");
    second.args(["--listen", "127.0.0.1:0"]);
    let started = Instant::now();
    let output = second.output()?;
    ensure!(!output.status.success(), "two serve on the same data");
    ensure!(started.elapsed() < Duration::from_secs(5), "it took {:?} to say so", started.elapsed());
    let said = told(&output);
    ensure!(said.contains("in use by another keyward process") && said.contains("--data-dir"), "{said}");
    stack.admin()?.get("/readyz")?.must_be(200)?;
    Ok(())
}

/// The same command with a word after its first, which is its own command's command.
pub(crate) fn rearranged(command: &Command, word: &str) -> Command {
    let mut with = Command::new(command.get_program());
    let mut arguments = command.get_args();
    with.args(arguments.next()).arg(word).args(arguments);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => with.env(name, value),
            None => with.env_remove(name),
        };
    }
    with
}

fn well(mut command: Command) -> Result<Output> {
    let output = command.output()?;
    ensure!(output.status.success(), "{:?} ended with {}:\n{}", command.get_args(), output.status, told(&output));
    Ok(output)
}

/// Everything that a command printed.
pub(crate) fn told(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}
