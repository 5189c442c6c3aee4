//! The control plane and the demo origin, as development builds: they compile in a fraction of the
//! time of a release build, and their dependencies are optimised all the same.

use std::path::PathBuf;

use anyhow::Result;

use crate::setup;
use crate::step::{self, Step};
use crate::workspace;

/// The programs that the stack is started from.
pub struct Programs {
    /// The product's binary.
    pub keyward: PathBuf,
    /// The origin that echoes what reached it.
    pub demo_origin: PathBuf,
}

/// Builds what has changed. One call for both, so that they share their dependencies.
pub fn programs() -> Result<Programs> {
    let step = Step::begin("control plane");
    let mut build = setup::cargo();
    build
        .current_dir(workspace::root())
        .args([
            "build",
            "--package",
            "keyward-control-plane",
            "--bin",
            "keyward",
        ])
        .args([
            "--package",
            "keyward-tests",
            "--bin",
            "demo-origin",
            "--target-dir",
        ])
        .arg(workspace::target());
    step::run(
        &step,
        &build,
        "control-plane",
        "read the compiler's words above; nothing was started",
    )?;
    step.done("built");
    Ok(Programs {
        keyward: workspace::program("keyward"),
        demo_origin: workspace::program("demo-origin"),
    })
}
