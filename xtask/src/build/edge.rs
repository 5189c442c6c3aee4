//! The edge's WebAssembly and its glue, made anew only when something that goes into them changed:
//! cargo knows that by itself, the optimiser and the bundler after it do not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::names;
use crate::setup::{self, Tools};
use crate::step::{self, Step};
use crate::workspace::{self, Stamp};

/// The cargo profile that the edge is built with.
pub const PROFILE: &str = "edge";

const ADVICE: &str = "read the compiler's words above; if a tool could not be found, run \
                      `cargo xtask setup`";

/// What is built: the Worker as it is shipped, or one with features that only tests may use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variant<'a> {
    /// Cargo features of the edge's crate; none for the Worker that is shipped.
    pub features: &'a [&'a str],
}

impl Variant<'_> {
    fn is_shipped(&self) -> bool {
        self.features.is_empty()
    }

    /// Where the entry module and the build beside it lie.
    fn folder(&self) -> PathBuf {
        if self.is_shipped() {
            workspace::root().join("edge")
        } else {
            workspace::target().join("edge-variants").join(self.features.join("-"))
        }
    }
}

/// Builds a variant and returns its entry module.
pub fn entry(tools: &Tools, variant: Variant<'_>) -> Result<PathBuf> {
    let step = Step::begin(if variant.is_shipped() { "edge" } else { "edge for tests" });
    let source = workspace::root().join("edge");
    let folder = workspace::folder(variant.folder())?;
    let _lock = workspace::lock(&workspace::target().join("setup/edge.lock"))?;
    let made = if is_current(tools, variant, &folder)? {
        "unchanged"
    } else {
        let stamp = stamp(tools, variant, &folder)?;
        stamp.clear();
        build(&step, tools, variant, &source, &folder)?;
        stamp.set()?;
        "built"
    };
    if !variant.is_shipped() {
        copy_modules(&source, &folder)?;
    }
    let entry = folder.join("entry.mjs");
    ensure!(entry.is_file(), "the edge's entry module {} is missing", entry.display());
    step.done(made);
    Ok(entry)
}

fn is_current(tools: &Tools, variant: Variant<'_>, folder: &Path) -> Result<bool> {
    let made = ["build/index.js", "build/index_bg.wasm"].iter().all(|file| folder.join(file).is_file());
    Ok(made && stamp(tools, variant, folder)?.holds())
}

fn stamp(tools: &Tools, variant: Variant<'_>, folder: &Path) -> Result<Stamp> {
    let root = workspace::root();
    let inputs = [
        "Cargo.lock",
        "Cargo.toml",
        ".cargo/config.toml",
        "edge/Cargo.toml",
        "edge/src",
        "shared/Cargo.toml",
        "shared/src",
        "package-lock.json",
    ]
    .map(|path| root.join(path));
    let extra = format!("{}\n{}\n{:?}", tools.wasm.identity()?, tools.worker_build.display(), variant.features);
    let wanted = workspace::fingerprint(inputs.iter().map(AsRef::as_ref), &extra)?;
    Ok(Stamp::new(folder.join("build/.keyward-stamp"), wanted))
}

fn build(step: &Step, tools: &Tools, variant: Variant<'_>, source: &Path, folder: &Path) -> Result<()> {
    let mut build = Command::new(&tools.worker_build);
    // worker-build joins this to the crate's folder, which leaves an absolute path as it is.
    build.current_dir(source).args(["--profile", PROFILE]).arg("--out-dir").arg(folder.join("build"));
    if !variant.is_shipped() {
        build.arg("--features").arg(variant.features.join(","));
    }
    // Without these it would download programs of its own choice.
    build
        .env("WASM_BINDGEN_BIN", &tools.wasm_bindgen)
        .env("WASM_OPT_BIN", setup::npm_program("wasm-opt"))
        .env("ESBUILD_BIN", setup::npm_program("esbuild"))
        .env("CARGO_TARGET_DIR", tools.wasm.target_folder())
        .env_remove("CARGO");
    setup::with_npm_programs(&mut build);
    tools.wasm.choose(&mut build);
    let name = if variant.is_shipped() { "edge" } else { "edge-for-tests" };
    step::run(step, &build, name, ADVICE)?;
    let module = folder.join("build/index_bg.wasm");
    let bytes = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    fs::write(&module, names::stripped(&bytes)?).with_context(|| format!("cannot write {}", module.display()))
}

/// Lays the hand-written modules beside a variant's build, as they lie beside the shipped one.
fn copy_modules(source: &Path, folder: &Path) -> Result<()> {
    let entries = fs::read_dir(source).with_context(|| format!("cannot read {}", source.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "mjs" || end == "js") {
            let name = path.file_name().unwrap_or_default();
            fs::copy(&path, folder.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}
