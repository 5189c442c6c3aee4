//! `cargo xtask bench`: hands over to the benchmarks' own program, which is built only then, so that
//! the other commands need not wait for it to compile.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::build::native;
use crate::guard::{Guarded, Output};
use crate::{setup, workspace};

/// What `cargo xtask bench` may be told.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Which benchmark; all without a name
    name: Option<String>,

    /// Also what takes long: ten million keys
    #[arg(long)]
    full: bool,

    /// Less of what takes many minutes, to see that it works
    #[arg(long, conflicts_with = "full")]
    quick: bool,
}

/// Installs what is needed and runs the benchmark.
pub fn run(options: &Options) -> Result<ExitCode> {
    eprintln!("Setting up");
    setup::tools()?;
    setup::bench_tools()?;
    let programs = native::measured()?;
    let mut bench = Command::new(programs.bench);
    bench.current_dir(workspace::root()).env(native::MEASURED, programs.keyward);
    bench.args(&options.name).args(options.full.then_some("--full")).args(options.quick.then_some("--quick"));
    let status = Guarded::spawn(&bench, Output::Inherit)?.wait()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
