//! The project's own commands, run as `cargo xtask COMMAND`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::build::edge::{self, Variant};
use xtask::{bench, checks, dev, guard, setup};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Sets up, runs, tests and measures Keyward")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Starts the whole product on this machine, with a demo key, until Ctrl-C
    Dev(dev::Options),
    /// Runs every check and test
    Test(checks::Options),
    /// Measures; prints a table and writes target/bench/NAME.json
    Bench(bench::Options),
    /// Builds the Worker that is deployed: edge/entry.mjs and edge/build
    BuildEdge,
    /// Installs what the other commands need, and nothing else
    Setup,
}

fn main() -> ExitCode {
    guard::install();
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Dev(options) => dev::run(&options).map(|()| ExitCode::SUCCESS),
        Task::Test(options) => checks::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::BuildEdge => {
            let entry = edge::entry(&setup::tools()?, Variant::default())?;
            println!("{}", entry.display());
            Ok(ExitCode::SUCCESS)
        }
        Task::Setup => {
            let tools = setup::tools()?;
            setup::test_tools(&tools)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
