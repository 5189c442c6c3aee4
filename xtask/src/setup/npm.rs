//! The npm packages of package-lock.json: wrangler with a Node new enough for it, esbuild and
//! binaryen for the edge's build, the clients that the tests run.

use std::process::Command;

use anyhow::{Result, ensure};

use super::find;
use crate::step::{self, Step};
use crate::workspace::{self, Stamp};

const ADVICE: &str = "see that npm packages can be downloaded, then run it again; \
                      `rm -rf node_modules` starts over";

/// Installs the packages when the lock has changed since the last time.
pub(super) fn packages() -> Result<()> {
    let step = Step::begin("npm packages");
    let root = workspace::root();
    let inputs = ["package.json", "package-lock.json", ".npmrc"].map(|file| root.join(file));
    let wanted = workspace::fingerprint(inputs.iter().map(AsRef::as_ref), "")?;
    let stamp = Stamp::new(root.join("node_modules/.keyward-stamp"), wanted);
    if stamp.holds() {
        step.done("present");
        return Ok(());
    }
    ensure!(
        find::program("npm").is_some() && find::program("node").is_some(),
        "Node.js with npm is needed and not on the path.\n\
         What to do: install Node 20 or newer (on Debian: apt-get install nodejs npm), \
         then run it again. Only the installing needs it; a newer Node comes with the packages."
    );
    stamp.clear();
    let mut install = Command::new("npm");
    install.current_dir(root).args(["ci", "--no-audit", "--no-fund"]);
    step::run(&step, &install, "npm", ADVICE)?;
    let node = super::npm_program("node");
    ensure!(
        find::answer(Command::new(&node).arg("--version")).is_some(),
        "npm ended well but {} does not run: its install script may be switched off.\n\
         What to do: {ADVICE}; `npm config get ignore-scripts` should say false",
        node.display()
    );
    stamp.set()?;
    step.done("installed");
    Ok(())
}
