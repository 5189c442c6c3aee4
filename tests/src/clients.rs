//! Programs that the tests run as clients: the ones that `cargo xtask test` has installed, or, when a
//! test is run by hand, the ones that are installed now.
//!
//! Must never know what the clients ask.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use xtask::{setup, step, workspace};

static PYTHON: OnceLock<PathBuf> = OnceLock::new();

/// A Python that has the packages of tests/python/requirements.txt.
pub fn python() -> Result<Command> {
    let python = match (PYTHON.get(), env::var_os("KEYWARD_TEST_PYTHON")) {
        (Some(path), _) => path,
        (None, Some(path)) => PYTHON.get_or_init(|| PathBuf::from(path)),
        (None, None) => {
            let path = setup::test_tools(&setup::tools()?)?.python;
            PYTHON.get_or_init(|| path)
        }
    };
    let mut command = Command::new(python);
    // No folders of compiled files among the sources.
    command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(workspace::root());
    Ok(command)
}

/// The Node of the npm packages, run in the checkout, so that it finds them.
pub fn node() -> Command {
    let mut command = Command::new(setup::npm_program("node"));
    setup::with_npm_programs(&mut command).current_dir(workspace::root());
    command
}

/// curl without the user's own settings, silent, with a limit.
pub fn curl() -> Command {
    let mut command = Command::new("curl");
    command.args(["--disable", "--silent", "--show-error", "--max-time", "20"]);
    command
}

/// Runs a client to its end and returns what it printed. A failure shows both of its streams.
pub fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("cannot start {name}"))?;
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    if !status.success() {
        bail!("{} ended with {status}\n{stdout}\n{}", step::shown(command), String::from_utf8_lossy(&stderr));
    }
    Ok(stdout)
}
