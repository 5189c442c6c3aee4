//! The control plane and the demo origin.
//!
//! Development builds compile in a fraction of the time of release builds, and their dependencies
//! are optimised all the same; what is measured is a release build.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::setup;
use crate::step::{self, Step};
use crate::workspace;

/// How much the compiler optimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    #[default]
    Development,
    /// As it is shipped.
    Release,
}

/// The variable that names the product's binary when it is built already, as in `cargo xtask test`.
pub const BUILT: &str = "KEYWARD_TEST_PROGRAM";

/// The product's binary, built where something has changed.
pub fn keyward(profile: Profile) -> Result<PathBuf> {
    if profile == Profile::Release {
        return match env::var_os(MEASURED) {
            Some(program) => Ok(program.into()),
            None => Ok(measured()?.keyward),
        };
    }
    match env::var_os(BUILT) {
        Some(program) => Ok(program.into()),
        // The choice of packages decides their dependencies' features: with another one than `dev`
        // makes, half of them would be compiled again.
        None => Ok(programs()?.keyward),
    }
}

/// The variable that names the product's binary as it is shipped, when it is built already.
pub const MEASURED: &str = "KEYWARD_BENCH_PROGRAM";

/// What `cargo xtask bench` runs, built as it is shipped.
pub struct Measured {
    /// The product's binary.
    pub keyward: PathBuf,
    /// The benchmarks.
    pub bench: PathBuf,
}

/// Builds both in one call, so that they share their dependencies.
pub fn measured() -> Result<Measured> {
    build_beside_keyward("bench", &["--release"])?;
    let program = |name| workspace::target().join("release").join(name);
    Ok(Measured { keyward: program("keyward"), bench: program("bench") })
}

/// One of the control plane's examples, built as the product is shipped.
pub fn example(name: &str) -> Result<PathBuf> {
    build(&["build", "--release", "--package", "keyward-control-plane", "--example", name])?;
    Ok(workspace::target().join("release/examples").join(name))
}

/// One test of a package, by its target and name, to be run with what it prints; built first where something has
/// changed.
pub fn test(package: &str, target: &str, name: &str) -> Command {
    let mut test = setup::cargo();
    test.current_dir(workspace::root()).args(["test", "--package", package, "--test", target]);
    test.arg("--target-dir").arg(workspace::target()).args(["--", "--exact", name, "--nocapture"]);
    test
}

/// Everything that `cargo test` runs, and the programs beside it.
pub fn all_targets() -> Result<()> {
    build(&["build", "--workspace", "--all-targets"])
}

/// The programs that `cargo xtask dev` starts.
pub struct Programs {
    /// The product's binary.
    pub keyward: PathBuf,
    /// The origin that echoes what reached it.
    pub demo_origin: PathBuf,
}

/// Builds the programs of `cargo xtask dev`. One call for both, so that they share their dependencies.
pub fn programs() -> Result<Programs> {
    build_beside_keyward("demo-origin", &[])?;
    Ok(Programs { keyward: program("keyward"), demo_origin: program("demo-origin") })
}

/// Where a development build of a program lies.
pub fn program(name: &str) -> PathBuf {
    workspace::target().join("debug").join(name)
}

/// The product's binary and one of the tests' programs, in one call, so that they share their dependencies.
fn build_beside_keyward(program: &str, flags: &[&str]) -> Result<()> {
    let packages = ["--package", "keyward-control-plane", "--bin", "keyward", "--package", "keyward-tests", "--bin"];
    build(&[&["build"], flags, &packages, &[program]].concat())
}

fn build(words: &[&str]) -> Result<()> {
    let step = Step::begin("control plane");
    let mut build = setup::cargo();
    build.current_dir(workspace::root()).args(words).arg("--target-dir").arg(workspace::target());
    let advice = "read the compiler's words above; nothing was started";
    step::run(&step, &build, "control-plane", advice)?;
    step.done("built");
    Ok(())
}
