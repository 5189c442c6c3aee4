//! The control plane and the demo origin.
//!
//! Development builds compile in a fraction of the time of release builds, and their dependencies
//! are optimised all the same; what is measured is a release build.

use std::path::PathBuf;

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

/// The programs that the stack is started from.
pub struct Programs {
    /// The product's binary.
    pub keyward: PathBuf,
    /// The origin that echoes what reached it.
    pub demo_origin: PathBuf,
}

/// Builds what has changed. One call for both, so that they share their dependencies.
pub fn programs(profile: Profile) -> Result<Programs> {
    let step = Step::begin("control plane");
    let mut build = setup::cargo();
    build
        .current_dir(workspace::root())
        .args(["build", "--package", "keyward-control-plane", "--bin", "keyward"])
        .args(["--package", "keyward-tests", "--bin", "demo-origin", "--target-dir"])
        .arg(workspace::target());
    let folder = match profile {
        Profile::Development => "debug",
        Profile::Release => {
            build.arg("--release");
            "release"
        }
    };
    step::run(&step, &build, "control-plane", "read the compiler's words above; nothing was started")?;
    step.done("built");
    let programs = workspace::target().join(folder);
    Ok(Programs { keyward: programs.join("keyward"), demo_origin: programs.join("demo-origin") })
}
