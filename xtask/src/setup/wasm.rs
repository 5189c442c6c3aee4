//! The Rust that compiles to WebAssembly: the usual toolchain with one more target where rustup
//! can fetch that, else Debian's current toolchain with a standard library built once.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{cargo_tool, debian, find};
use crate::step::{self, Step};
use crate::workspace::{self, Stamp};

/// What the edge is compiled to.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Forces one of the two ways: `rustup` or `debian`.
const CHOICE: &str = "KEYWARD_WASM_TOOLCHAIN";
/// The name that rustup knows Debian's toolchain by.
const LINKED_NAME: &str = "debian";
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LINKER: &str = "wasm-ld-19";
/// Lies beside the library that we built, and names the compiler that it is for.
const STAMP: &str = ".keyward-std";

/// Which Rust compiles the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The one in use, which has the target.
    Usual,
    /// Debian's, through rustup where that is there.
    Debian {
        /// Whether rustup picks the toolchain, or the path does.
        rustup: bool,
    },
}

impl Toolchain {
    /// Makes a cargo call, or a program that calls cargo, use this toolchain.
    pub fn choose(self, command: &mut Command) -> &mut Command {
        let Self::Debian { rustup } = self else {
            return command;
        };
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER);
        if rustup {
            command.env("RUSTUP_TOOLCHAIN", LINKED_NAME)
        } else {
            find::first_on_path(command, Path::new("/usr/bin"))
        }
    }

    /// Where this toolchain builds the edge; apart, since two compilers undo each other's work.
    pub fn target_folder(self) -> PathBuf {
        workspace::target().join(match self {
            Self::Usual => "edge",
            Self::Debian { .. } => "edge-debian",
        })
    }

    /// What the compiler says it is.
    pub fn identity(self) -> Result<String> {
        let mut rustc = cargo_tool::clean(Command::new("rustc"));
        self.choose(&mut rustc);
        find::answer(rustc.arg("-vV")).context("rustc does not say its version")
    }
}

/// A toolchain that has the target; installed when there is none.
pub(super) fn toolchain() -> Result<Toolchain> {
    let step = Step::begin("wasm toolchain");
    let rustup = find::program("rustup").is_some();
    let choice = env::var(CHOICE).unwrap_or_default();
    match choice.as_str() {
        "rustup" => usual(step, rustup),
        "debian" => debian_way(step, rustup),
        "" => whichever_works(step, rustup),
        other => {
            bail!("{CHOICE} is `{other}`. What to do: set it to rustup or debian, or unset it")
        }
    }
}

fn whichever_works(step: Step, rustup: bool) -> Result<Toolchain> {
    if usual_has_target() {
        step.done("present");
        return Ok(Toolchain::Usual);
    }
    if rustup && !debian_is_ready() {
        if add_target(&step).is_ok() {
            step.done("target added by rustup");
            return Ok(Toolchain::Usual);
        }
        step.tell("rustup cannot fetch the target, taking Debian's toolchain");
    }
    debian_way(step, rustup)
}

/// Clippy for this toolchain; the usual one has it from rustup.
pub(super) fn linter(toolchain: Toolchain) -> Result<()> {
    if matches!(toolchain, Toolchain::Debian { .. }) && !Path::new("/usr/bin/cargo-clippy").exists() {
        let step = Step::begin("clippy of Debian");
        debian::install(&step, &["rust-web-clippy"])?;
        step.done("installed");
    }
    Ok(())
}

fn usual(step: Step, rustup: bool) -> Result<Toolchain> {
    if usual_has_target() {
        step.done("present");
    } else {
        ensure!(rustup, "{CHOICE} is `rustup`, but there is no rustup on the path");
        add_target(&step)?;
        step.done("target added by rustup");
    }
    Ok(Toolchain::Usual)
}

fn add_target(step: &Step) -> Result<()> {
    let mut add = cargo_tool::clean(Command::new("rustup"));
    add.args(["target", "add", TARGET]);
    step::run(step, &add, "rustup-target", "see that rustup can download, or set KEYWARD_WASM_TOOLCHAIN=debian")
}

/// Whether the toolchain in use can build for the target as it is. Debian's own cannot, even with the
/// library in place: it must be told its linker.
fn usual_has_target() -> bool {
    let folder = library_folder(&mut cargo_tool::clean(Command::new("rustc")));
    folder.is_some_and(|folder| {
        let of_debian = folder.starts_with("/usr") && Path::new("/etc/debian_version").exists();
        !of_debian && has_library(&folder)
    })
}

fn library_folder(rustc: &mut Command) -> Option<PathBuf> {
    find::answer(rustc.args(["--print", "target-libdir", "--target", TARGET])).map(PathBuf::from)
}

fn has_library(folder: &Path) -> bool {
    fs::read_dir(folder)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-")))
}

fn debian_is_ready() -> bool {
    find::program(DEBIAN_LINKER).is_some()
        && Path::new("/usr/bin/cargo").exists()
        && debian_library().is_ok_and(|library| library.is_ready())
}

/// Debian's library for the target: where it belongs and which compiler it must fit.
struct Library {
    folder: PathBuf,
    stamp: Stamp,
}

impl Library {
    /// There, and either built by us for this compiler or put there by somebody else.
    fn is_ready(&self) -> bool {
        has_library(&self.folder) && (self.stamp.holds() || !self.folder.join(STAMP).exists())
    }
}

fn debian_library() -> Result<Library> {
    let folder = library_folder(&mut Command::new(DEBIAN_RUSTC))
        .with_context(|| format!("{DEBIAN_RUSTC} does not know {TARGET}"))?;
    let compiler = find::answer(Command::new(DEBIAN_RUSTC).arg("-vV"))
        .with_context(|| format!("{DEBIAN_RUSTC} does not say its version"))?;
    let stamp = Stamp::new(folder.join(STAMP), compiler);
    Ok(Library { folder, stamp })
}

fn debian_way(step: Step, rustup: bool) -> Result<Toolchain> {
    let toolchain = Toolchain::Debian { rustup };
    if !debian_is_ready() {
        let source = Path::new("/usr/lib/rustlib/src/rust/library");
        let present = source.exists() && Path::new("/usr/bin/cargo").exists() && find::program(DEBIAN_LINKER).is_some();
        if !present {
            debian::install(&step, &DEBIAN_PACKAGES)?;
        }
    }
    if rustup {
        link(&step)?;
    }
    let library = debian_library()?;
    if library.is_ready() {
        step.done("present, Debian's");
        return Ok(toolchain);
    }
    step.tell("building the standard library once, about half a minute");
    let built = build_library(&step, toolchain)?;
    lay_in(&library.folder, &built, &debian_compiler()?)?;
    ensure!(debian_library()?.is_ready(), "{} has no library after it was built", library.folder.display());
    step.done("built, Debian's");
    Ok(toolchain)
}

fn debian_compiler() -> Result<String> {
    find::answer(Command::new(DEBIAN_RUSTC).arg("-vV")).context("Debian's rustc does not say its version")
}

/// Makes Debian's toolchain known to rustup, unless it is.
fn link(step: &Step) -> Result<()> {
    let mut ask = cargo_tool::clean(Command::new("rustup"));
    ask.args(["run", LINKED_NAME, "rustc", "-vV"]);
    if find::answer(&mut ask).is_some() {
        return Ok(());
    }
    let mut link = cargo_tool::clean(Command::new("rustup"));
    link.args(["toolchain", "link", LINKED_NAME, "/usr"]);
    step::run(step, &link, "rustup-link", "run `rustup toolchain link debian /usr` by hand and see what it says")
}

/// Builds the standard library as a dependency of an empty crate. The bitcode must be embedded, or
/// the edge's link-time optimisation has nothing to work on.
fn build_library(step: &Step, toolchain: Toolchain) -> Result<Vec<PathBuf>> {
    let folder = workspace::folder(workspace::target().join("setup/wasm-std"))?;
    let source = workspace::folder(folder.join("src"))?;
    fs::write(folder.join("Cargo.toml"), "[package]\nname = \"nothing\"\nedition = \"2021\"\n\n[workspace]\n")?;
    fs::write(source.join("lib.rs"), "")?;
    let mut build = super::cargo();
    toolchain.choose(&mut build);
    build
        .current_dir(&folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes -Copt-level=3")
        .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET])
        .arg("--target-dir")
        .arg(folder.join("target"));
    step::run(step, &build, "wasm-std", "see what the log says of the packages rustc-web and rust-web-src")?;
    let made = folder.join("target").join(TARGET).join("release/deps");
    let mut libraries = workspace::files_under(&made)?;
    libraries.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        file.extension().is_some_and(|end| end == "rlib") && !name.starts_with("libnothing-")
    });
    ensure!(!libraries.is_empty(), "the build of the standard library left nothing in {}", made.display());
    Ok(libraries)
}

/// Puts the library where the compiler looks for it, in place of one for another compiler.
fn lay_in(folder: &Path, libraries: &[PathBuf], compiler: &str) -> Result<()> {
    let stamp = workspace::target().join("setup/wasm-std").join(STAMP);
    fs::write(&stamp, compiler)?;
    let folder = folder.to_string_lossy();
    let mut copy: Vec<_> = libraries.iter().chain([&stamp]).map(|file| file.to_string_lossy()).collect();
    let mut words: Vec<&str> = vec!["install", "-m", "644"];
    copy.push(folder.clone());
    words.extend(copy.iter().map(AsRef::as_ref));
    for words in [&["rm", "-rf", &folder][..], &["install", "-d", &folder], &words] {
        let status = debian::as_root(words)?.status()?;
        ensure!(status.success(), "`{} …` ended with {status}", words[..2].join(" "));
    }
    Ok(())
}
