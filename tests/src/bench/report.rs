//! What a benchmark found: a Markdown table for people, a JSON file for machines.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::workspace;

use super::{Chart, Samples};

/// The file of all tables.
const PAGE: &str = "benchmarks.md";

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Target {
    const fn bound(self) -> f64 {
        match self {
            Self::AtMost(bound) | Self::AtLeast(bound) => bound,
        }
    }

    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub row: String,
    /// The figure; of several rounds the median.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The lowest and the highest of several rounds.
    pub spread: Option<(f64, f64)>,
    /// What it should be.
    pub target: Option<Target>,
}

impl Row {
    /// A figure that was taken once.
    pub fn new(row: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { row: row.into(), value, unit, spread: None, target: None }
    }

    /// The median of several rounds, with their spread.
    pub fn of(row: impl Into<String>, samples: &Samples, unit: &'static str) -> Self {
        Self { row: row.into(), value: samples.median(), unit, spread: Some(samples.spread()), target: None }
    }

    /// The same with what it should be.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    fn holds(&self) -> Option<bool> {
        self.target.map(|target| target.holds(self.value))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.row, short(self.value), self.unit)
    }
}

/// A benchmark's rows, with what they were measured on.
#[derive(Clone, Debug)]
pub struct Report {
    /// The benchmark's name.
    pub name: &'static str,
    /// The figures.
    pub rows: Vec<Row>,
    /// What of them is drawn.
    pub charts: Vec<Chart>,
    /// What its reader must know of how they were taken.
    pub note: Option<String>,
}

impl Report {
    /// A report of these figures, without drawings and note.
    pub fn new(name: &'static str, rows: Vec<Row>) -> Self {
        Self { name, rows, charts: Vec::new(), note: None }
    }

    /// Prints the table and writes `target/bench/NAME.json`, and what is to be drawn beside it.
    pub fn publish(&self, taken_at: &TakenAt) -> Result<()> {
        let folder = folder()?;
        let path = folder.join(format!("{}.json", self.name));
        let mut text = serde_json::to_string_pretty(&self.to_json(taken_at))?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        self.charts.iter().try_for_each(|chart| chart.draw(&folder))?;
        println!("\n**{}**, commit {}, {}\n\n{}", self.name, taken_at.commit, taken_at.machine, self.to_markdown()?);
        Ok(())
    }

    fn to_json(&self, taken_at: &TakenAt) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "row": row.row,
                    "value": row.value,
                    "unit": row.unit,
                    "spread": row.spread,
                    "target": row.target.map(Target::bound),
                    "holds": row.holds(),
                })
            })
            .collect();
        json!({"name": self.name, "commit": taken_at.commit, "machine": taken_at.machine, "note": self.note, "rows": rows})
    }

    fn to_markdown(&self) -> Result<String> {
        let note = self.note.as_ref().map_or_else(String::new, |note| format!("{note}\n\n"));
        let mut table = note + "| | value | spread | target | holds |\n|---|---:|---:|---:|---|\n";
        for row in &self.rows {
            let target = match row.target {
                None => String::new(),
                Some(Target::AtMost(bound)) => format!("≤ {} {}", short(bound), row.unit),
                Some(Target::AtLeast(bound)) => format!("≥ {} {}", short(bound), row.unit),
            };
            let spread = row.spread.map_or_else(String::new, |(low, high)| format!("{} – {}", short(low), short(high)));
            let holds = row.holds().map_or("", |holds| if holds { "yes" } else { "**no**" });
            writeln!(table, "| {} | {} {} | {spread} | {target} | {holds} |", row.row, short(row.value), row.unit)?;
        }
        Ok(table)
    }
}

/// Where and of what figures were taken.
#[derive(Clone, Debug)]
pub struct TakenAt {
    commit: String,
    machine: String,
}

impl TakenAt {
    /// The sources and the machine as they are now.
    pub fn now() -> Self {
        Self { commit: commit(), machine: machine() }
    }
}

/// Writes the tables of all benchmarks so far to `target/bench/benchmarks.md`.
pub(super) fn write_page(reports: &[Report], taken_at: &TakenAt, took: Duration) -> Result<()> {
    let mut text = format!(
        "# Benchmarks\n\nEvery figure of one run of `cargo xtask bench`, commit {}, on {}; it took {}. What they mean, \
         what was done\nto reach them and what stands in the way of the rest is in [performance.md](performance.md). Of \
         several rounds the median\nis told, with the lowest and the highest beside it.\n",
        taken_at.commit,
        taken_at.machine,
        minutes(took)
    );
    for report in reports {
        write!(text, "\n## {}\n\n{}", report.name, report.to_markdown()?)?;
    }
    let path = folder()?.join(PAGE);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Copies the page and all drawings from `target/bench/` into `docs/`.
pub(super) fn copy_to_docs(reports: &[Report]) -> Result<()> {
    let drawings = reports.iter().flat_map(|report| &report.charts).map(Chart::file);
    let docs = workspace::root().join("docs");
    for name in drawings.chain([PAGE.to_owned()]) {
        fs::copy(folder()?.join(&name), docs.join(&name)).with_context(|| format!("cannot copy {name} to docs"))?;
    }
    Ok(())
}

fn folder() -> Result<PathBuf> {
    workspace::folder(workspace::target().join("bench"))
}

fn minutes(time: Duration) -> String {
    format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
}

/// Says how many targets hold and which do not, and how long it all took.
pub(super) fn sum_up(reports: &[Report], took: Duration) {
    let rows = || reports.iter().flat_map(|report| report.rows.iter().map(move |row| (report.name, row)));
    let with_target = rows().filter(|(_, row)| row.target.is_some()).count();
    let missed: Vec<_> = rows().filter(|(_, row)| row.holds() == Some(false)).collect();
    println!("\n{} of {with_target} targets hold; it took {}.", with_target - missed.len(), minutes(took));
    for (name, row) in missed {
        println!("missed: {name}: {} ({} {})", row.row, short(row.value), row.unit);
    }
}

/// A figure with as many digits as tell something.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || size.fract() < f64::EPSILON => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// The commit that was measured, marked when the sources differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(workspace::root()).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit} with changes"),
    }
}

/// The machine in a few words: cores, processor, memory, system.
fn machine() -> String {
    let cores = available_parallelism().map_or(1, usize::from);
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .map_or_else(String::new, |kibibytes| format!(", {} GiB", kibibytes.div_ceil(1 << 20)));
    format!("{cores} cores of {processor}{memory}, {}", std::env::consts::OS)
}
