//! What a benchmark found: a Markdown table for people, a JSON file for machines.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::workspace;

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub row: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// The most that it should be.
    pub target: Option<f64>,
}

impl Row {
    fn holds(&self) -> Option<bool> {
        self.target.map(|target| self.value <= target)
    }
}

/// A benchmark's rows, with what they were measured on.
#[derive(Clone, Debug)]
pub struct Report {
    /// The benchmark's name.
    pub name: &'static str,
    /// The figures.
    pub rows: Vec<Row>,
}

impl Report {
    /// Prints the table and writes `target/bench/NAME.json`.
    pub fn publish(&self) -> Result<()> {
        let folder = workspace::folder(workspace::target().join("bench"))?;
        let path = folder.join(format!("{}.json", self.name));
        let mut text = serde_json::to_string_pretty(&self.to_json())?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        print!("{}", self.to_markdown()?);
        Ok(())
    }

    fn to_json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "row": row.row,
                    "value": row.value,
                    "unit": row.unit,
                    "target": row.target,
                    "holds": row.holds(),
                })
            })
            .collect();
        json!({"name": self.name, "commit": commit(), "machine": machine(), "rows": rows})
    }

    fn to_markdown(&self) -> Result<String> {
        let mut table = format!(
            "\n**{}**, commit {}, {}\n\n| | value | target | holds |\n|---|---:|---:|---|\n",
            self.name,
            commit(),
            machine()
        );
        for row in &self.rows {
            let target = row.target.map_or_else(String::new, |target| format!("≤ {target} {}", row.unit));
            let holds = row.holds().map_or("", |holds| if holds { "yes" } else { "no" });
            writeln!(table, "| {} | {} {} | {target} | {holds} |", row.row, row.value, row.unit)?;
        }
        Ok(table)
    }
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
