//! Programs that cargo installs: one version each, into the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use super::cache::Place;
use super::debian;
use crate::step::{self, Step};
use crate::workspace;

const WORKER_BUILD: &str = "0.8.7";
const CARGO_DENY: &str = "0.20.2";

struct CargoTool<'a> {
    /// The crate's name.
    package: &'a str,
    /// The program's name, and the name of its place in the cache.
    program: &'a str,
    version: &'a str,
    options: &'a [&'a str],
    /// How long it takes on two cores, to say beforehand.
    minutes: &'a str,
    /// Whether it is linked with OpenSSL, whose headers are the system's to bring.
    needs_openssl: bool,
}

/// The program that makes a Worker of a crate.
pub(super) fn worker_build() -> Result<PathBuf> {
    CargoTool {
        package: "worker-build",
        program: "worker-build",
        version: WORKER_BUILD,
        options: &["--locked"],
        minutes: "4 minutes",
        needs_openssl: true,
    }
    .installed()
}

/// The generator of JavaScript bindings; its version must be the library's, to the digit.
pub(super) fn wasm_bindgen() -> Result<PathBuf> {
    CargoTool {
        package: "wasm-bindgen-cli",
        program: "wasm-bindgen",
        version: &workspace::locked_version("wasm-bindgen")?,
        options: &["--no-default-features"],
        minutes: "2 minutes",
        needs_openssl: false,
    }
    .installed()
}

/// The checker of licences and sources.
pub(super) fn cargo_deny() -> Result<PathBuf> {
    CargoTool {
        package: "cargo-deny",
        program: "cargo-deny",
        version: CARGO_DENY,
        options: &["--locked"],
        minutes: "3 minutes",
        needs_openssl: false,
    }
    .installed()
}

impl CargoTool<'_> {
    fn installed(&self) -> Result<PathBuf> {
        let Self { package, program, version, minutes, .. } = self;
        let step = Step::begin(format!("{program} {version}"));
        let place = Place::named(format!("{program}-{version}"))?;
        let file = place.path().join("bin").join(program);
        if file.is_file() {
            step.done("present");
            return Ok(file);
        }
        let _lock = place.lock()?;
        if file.is_file() {
            step.done("present, installed by another checkout just now");
            return Ok(file);
        }
        if self.needs_openssl {
            debian::openssl(&step)?;
        }
        step.tell(&format!("compiling, about {minutes} on two cores"));
        let draft = place.draft()?;
        let mut install = clean(Command::new("cargo"));
        install
            .args(["install", package, "--version", &format!("={version}")])
            .args(self.options)
            .arg("--root")
            .arg(&draft)
            // Each runs for seconds in a build, and would take minutes more to optimise than it saves.
            .envs([
                ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
                ("CARGO_PROFILE_RELEASE_LTO", "off"),
                ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256"),
            ]);
        let advice = format!(
            "see that crates can be downloaded and a C compiler is there, then run it again; \
             or install {package} {version} yourself with --root {}",
            place.path().display()
        );
        step::run(&step, &install, program, &advice)?;
        ensure!(
            draft.join("bin").join(program).is_file(),
            "{package} {version} was installed but brought no program {program}"
        );
        place.keep(&draft)?;
        step.done("installed");
        Ok(file)
    }
}

/// Takes away what `cargo run` has set for us, which would mislead another cargo: the toolchain's
/// own cargo, which would win over a toolchain chosen by variable, and our package's description.
pub(super) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name == "CARGO" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&*name);
        }
    }
    command
}
