//! A Python of our own in the cache, with the client libraries that the tests run.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use super::cache::Place;
use super::{debian, find};
use crate::step::{self, Step};
use crate::workspace::{self, Stamp};

const ADVICE: &str = "see that Python 3.11 or newer with its venv module is there and that Python \
                      packages can be downloaded, then run it again";
/// How much of the fingerprint names the folder.
const NAME_DIGITS: usize = 12;

/// The interpreter of an environment that has all of tests/python/requirements.txt.
pub(super) fn with_clients() -> Result<PathBuf> {
    let step = Step::begin("Python packages");
    let requirements = workspace::root().join("tests/python/requirements.txt");
    let wanted = workspace::fingerprint([requirements.as_path()], "")?;
    let name: String = wanted.chars().take(NAME_DIGITS).collect();
    let place = Place::named(format!("python-{name}"))?;
    let python = place.path().join("bin/python");
    // An environment knows its own path, so it is made in place and stamped when it is whole.
    let stamp = Stamp::new(place.path().join(".keyward-stamp"), wanted);
    if stamp.holds() && python.exists() {
        step.done("present");
        return Ok(python);
    }
    if find::program("python3").is_none() {
        debian::install(&step, &["python3", "python3-venv"])?;
    }
    let _lock = place.lock()?;
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(place.path());
    step::run(&step, &make, "python-venv", ADVICE)?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r"]).arg(&requirements);
    step::run(&step, &install, "python-packages", ADVICE)?;
    ensure!(python.exists(), "{} is missing. What to do: {ADVICE}", python.display());
    stamp.set()?;
    step.done("installed");
    Ok(python)
}
