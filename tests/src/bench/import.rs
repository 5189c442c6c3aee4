//! Bringing 200,000 keys over the REST API: how long it takes, and how much memory.
//!
//! The lines are what a home-made table of hashes gives, over a thousand workspaces; each hundredth brings a
//! secret that another key has. They are sent by curl, from files, in two requests.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_shared::fingerprint::Digest;
use xtask::build::native::{self, Profile};

use super::database::{self, Filled, Population};
use super::figures::as_f64;
use super::serving::Serving;
use super::{Report, Row, Scale, Target};
use crate::clients;

/// Keys that are there already.
const POPULATION: Population = Population::of(10_000);
const LINES: u64 = 200_000;
/// Lines of the first request.
const FIRST: u64 = 10_000;
/// One line in so many brings a secret that is there already.
const CLASH_EVERY: u64 = 100;
/// Long enough to find out how slow it is.
const PATIENCE_SECONDS: &str = "900";
const SECONDS: Target = Target::AtMost(120.0);
const GROWTH: Target = Target::AtMost(16.0);
/// With the publisher's work beside it. The lines themselves, were they kept, would not fit in.
const WITH_TREE: Target = Target::AtMost(64.0);

/// Measures and reports.
pub(super) fn measure(_scale: Scale) -> Result<Report> {
    let program = native::keyward(Profile::Release)?;
    let filled = Filled::with(&program, POPULATION)?;
    let serving = Serving::start(&program, filled.copy()?, None, None)?;
    let file = |name: &str| serving.database.beside(name);
    let (first, rest) = (file("first.ndjson"), file("rest.ndjson"));
    write(&filled, &first, 0, FIRST)?;
    write(&filled, &rest, FIRST, LINES)?;
    // The control plane has taken its working memory by the end of the first request.
    let both = || -> Result<(Duration, f64)> {
        serving.forget_peak_memory()?;
        let began = send(&serving, &first)?;
        let before = serving.peak_memory_mib()?;
        let took = began + send(&serving, &rest)?;
        Ok((took, serving.peak_memory_mib()? - before))
    };
    eprintln!("Importing {LINES} keys");
    let (took, with_snapshot) = both()?;
    let settled = Instant::now();
    serving.settled()?;
    let settled = settled.elapsed();
    eprintln!("Importing them again");
    let (again, growth) = both()?;
    let memory = format!("peak of memory over that after {FIRST} lines");
    Ok(Report::new(
        "import",
        vec![
            Row::new(format!("{LINES} keys brought"), took.as_secs_f64(), "s").target(SECONDS),
            Row::new("a line", took.as_secs_f64() * 1e6 / as_f64(LINES), "µs"),
            Row::new("until all of them are in the published tree, from then on", settled.as_secs_f64(), "s"),
            Row::new("the same lines again", again.as_secs_f64(), "s").target(SECONDS),
            Row::new(format!("{memory}, nothing new to publish"), growth, "MiB").target(GROWTH),
            Row::new(format!("{memory}, with the tree of the new keys"), with_snapshot, "MiB").target(WITH_TREE),
        ],
    ))
}

/// Writes the lines with these numbers.
fn write(filled: &Filled, path: &Path, from: u64, to: u64) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for number in from..to {
        let workspace = filled.workspace_path(number % filled.workspaces());
        let workspace = workspace.rsplit('/').next().context("no workspace")?;
        let is_clash = number % CLASH_EVERY == 0;
        let secret = if is_clash { number / CLASH_EVERY } else { POPULATION.total() + number };
        let digest = hex::encode(Digest::of(&database::key(secret)?).as_bytes());
        writeln!(
            file,
            r#"{{"external_id":"row-{number}","workspace":"{workspace}","name":"Brought {number}","access":"read-write","apis":["*"],"created_at":"2024-05-01T12:00:00Z","sha256":"{digest}"}}"#
        )?;
    }
    Ok(file.flush()?)
}

/// Sends a file of lines and tells how long the answer to all of them took.
fn send(serving: &Serving, lines: &Path) -> Result<Duration> {
    let answers = serving.database.beside("answers.ndjson");
    let token = serving.admin.token().context("no token")?;
    let began = Instant::now();
    clients::run(
        clients::curl()
            .args(["--max-time", PATIENCE_SECONDS, "--request", "POST", "--header"])
            .arg(format!("Authorization: Bearer {token}"))
            .args(["--header", "Content-Type: application/x-ndjson", "--fail", "--upload-file"])
            .arg(lines)
            .arg("--output")
            .arg(&answers)
            .arg(format!("{}/v1/keys/import", serving.control_plane.url())),
    )?;
    let took = began.elapsed();
    let sent = fs::read_to_string(lines)?;
    let answers = fs::read_to_string(&answers)?;
    ensure!(answers.lines().count() == sent.lines().count(), "not a result for every line");
    let refused = answers.lines().filter(|line| line.contains(r#""code":"secret_exists""#)).count();
    let wanted = sent.lines().count() / usize::try_from(CLASH_EVERY)?;
    ensure!(refused == wanted, "{refused} lines are refused and {wanted} clash");
    let others = answers.lines().filter(|line| line.contains(r#""outcome":"refused""#)).count() - refused;
    ensure!(others == 0, "{others} lines are refused that are right");
    Ok(took)
}
