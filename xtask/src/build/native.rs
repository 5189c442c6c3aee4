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

/// Builds the product's binary where something has changed.
pub fn keyward(profile: Profile) -> Result<PathBuf> {
    if profile == Profile::Development {
        // The choice of packages decides their dependencies' features: with another one than `dev`
        // makes, half of them would be compiled again.
        return Ok(programs()?.keyward);
    }
    build(profile, &["--package", "keyward-control-plane", "--bin", "keyward"])?;
    Ok(program(profile, "keyward"))
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
    let profile = Profile::Development;
    build(
        profile,
        &[
            "--package",
            "keyward-control-plane",
            "--bin",
            "keyward",
            "--package",
            "keyward-tests",
            "--bin",
            "demo-origin",
        ],
    )?;
    Ok(Programs { keyward: program(profile, "keyward"), demo_origin: program(profile, "demo-origin") })
}

fn build(profile: Profile, which: &[&str]) -> Result<()> {
    let step = Step::begin("control plane");
    let mut build = setup::cargo();
    build.current_dir(workspace::root()).arg("build").args(which).arg("--target-dir").arg(workspace::target());
    if profile == Profile::Release {
        build.arg("--release");
    }
    let advice = "read the compiler's words above; nothing was started";
    step::run(&step, &build, "control-plane", advice)?;
    step.done("built");
    Ok(())
}

fn program(profile: Profile, name: &str) -> PathBuf {
    let folder = match profile {
        Profile::Development => "debug",
        Profile::Release => "release",
    };
    workspace::target().join(folder).join(name)
}
