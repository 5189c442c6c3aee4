//! Packages of Debian and its kin, where something is missing that only they bring.

use std::process::Command;

use anyhow::{Result, ensure};

use super::find;
use crate::step::{self, Step};

/// Installs packages, with the rights of root or by sudo.
pub(super) fn install(step: &Step, packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    ensure!(
        find::program("apt-get").is_some(),
        "{list}: needed and missing, and there is no apt-get here to install it.\n\
         What to do: install it the way this system does, then run it again"
    );
    let advice = format!("run `apt-get update && apt-get install {list}` as root, then run it again");
    step.tell("apt-get update");
    step::run(step, &as_root(&["apt-get", "-q", "update"])?, "apt-update", &advice)?;
    let mut words = vec!["apt-get", "-q", "-y", "install", "--no-install-recommends"];
    words.extend(packages);
    step::run(step, &as_root(&words)?, "apt-install", &advice)
}

/// A command with the rights of root: as it is when we have them, else by sudo.
pub(super) fn as_root(words: &[&str]) -> Result<Command> {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    } else {
        ensure!(
            find::program("sudo").is_some(),
            "root's rights are needed for `{}` and there is no sudo.\n\
             What to do: run that command as root, then this one again",
            words.join(" ")
        );
        let mut command = Command::new("sudo");
        // Without a terminal of its own sudo must not wait for a password that nobody can type.
        command.arg("--non-interactive").args(words);
        command
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}

/// OpenSSL's headers and the program that finds them. Where the two are not packages of Debian, what
/// is there is taken as it is, and the compiler says what is missing.
pub(super) fn openssl(step: &Step) -> Result<()> {
    let found = find::answer(Command::new("pkg-config").args(["--modversion", "openssl"]));
    let told = std::env::var_os("OPENSSL_DIR").is_some();
    if found.is_none() && !told && cfg!(target_os = "linux") && find::program("apt-get").is_some() {
        install(step, &["libssl-dev", "pkg-config"])?;
    }
    Ok(())
}

/// The tests run curl as it is.
pub(super) fn curl() -> Result<()> {
    let step = Step::begin("curl");
    if find::program("curl").is_some() {
        step.done("present");
    } else {
        install(&step, &["curl", "ca-certificates"])?;
        step.done("installed");
    }
    Ok(())
}

/// What reads a QR code back: a drawer of SVG and a decoder of pictures.
pub(super) fn qr_reader() -> Result<()> {
    programs("rsvg-convert, zbarimg", &[("rsvg-convert", "librsvg2-bin"), ("zbarimg", "zbar-tools")])
}

/// What stands in front of the http lane, as a CDN would.
pub(super) fn caching_proxy() -> Result<()> {
    programs("nginx", &[("nginx", "nginx-light")])
}

/// What the benchmarks compare with, and what makes their load.
pub(super) fn bench_programs() -> Result<()> {
    programs("wrk, nginx, HAProxy", &[("wrk", "wrk"), ("nginx", "nginx-light"), ("haproxy", "haproxy")])
}

/// Programs and the packages that bring them.
fn programs(names: &str, wanted: &[(&str, &'static str)]) -> Result<()> {
    let step = Step::begin(names);
    let missing: Vec<_> =
        wanted.iter().filter(|(program, _)| find::program(program).is_none()).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        step.done("present");
    } else {
        install(&step, &missing)?;
        step.done("installed");
    }
    Ok(())
}
