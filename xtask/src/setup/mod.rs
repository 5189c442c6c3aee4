//! Installs what the project needs beyond cargo: each thing once, each step with its time.
//!
//! Programs that every checkout can share go to a cache of the user's, one folder for each program
//! and version; npm packages go to this checkout. A thing that is there costs a look, no more.
//!
//! Must never know how the parts are built or run.

mod cache;
mod cargo_tool;
mod debian;
mod find;
mod npm;
mod python;
mod wasm;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

pub use wasm::{TARGET as WASM_TARGET, Toolchain};

use crate::workspace;

/// What builds and runs the edge.
pub struct Tools {
    /// The Rust that compiles to WebAssembly.
    pub wasm: Toolchain,
    /// The program that turns the edge's crate into a Worker.
    pub worker_build: PathBuf,
    /// The bindings' generator, of the very version that the edge is linked with.
    pub wasm_bindgen: PathBuf,
}

/// What only the tests need.
pub struct TestTools {
    /// Checks the dependencies' licences and sources.
    pub cargo_deny: PathBuf,
    /// A Python that has the official clients.
    pub python: PathBuf,
}

/// Installs what `dev` needs.
pub fn tools() -> Result<Tools> {
    let _lock = workspace::lock(&workspace::target().join("setup/lock"))?;
    let wasm = wasm::toolchain()?;
    let worker_build = cargo_tool::worker_build()?;
    let wasm_bindgen = cargo_tool::wasm_bindgen()?;
    npm::packages()?;
    Ok(Tools { wasm, worker_build, wasm_bindgen })
}

/// Installs what `test` needs beyond [`tools`].
pub fn test_tools(tools: &Tools) -> Result<TestTools> {
    let _lock = workspace::lock(&workspace::target().join("setup/test-tools.lock"))?;
    let cargo_deny = cargo_tool::cargo_deny()?;
    let python = python::with_clients()?;
    debian::curl()?;
    debian::qr_reader()?;
    debian::caching_proxy()?;
    wasm::linter(tools.wasm)?;
    Ok(TestTools { cargo_deny, python })
}

/// Installs what only the benchmarks need.
pub fn bench_tools() -> Result<()> {
    let _lock = workspace::lock(&workspace::target().join("setup/bench-tools.lock"))?;
    debian::bench_programs()
}

/// Puts this checkout's npm programs, and the Node they need, first on a command's path.
pub fn with_npm_programs(command: &mut Command) -> &mut Command {
    let folder = workspace::root().join("node_modules/.bin");
    find::first_on_path(command, &folder)
}

/// A program among this checkout's npm packages.
pub fn npm_program(name: &str) -> PathBuf {
    workspace::root().join("node_modules/.bin").join(name)
}

/// A cargo call free of what the cargo that runs us has set for us alone.
pub fn cargo() -> Command {
    cargo_tool::clean(Command::new("cargo"))
}
