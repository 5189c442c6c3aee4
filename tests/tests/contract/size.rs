//! The shipped edge stays small: every isolate loads and compiles it before its first request.

use std::fs::File;
use std::io;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use xtask::build::edge::{self, Variant};
use xtask::setup;

use crate::Test;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::alone("the_edges_webassembly_is_small", small)]
}

/// Most bytes of the WebAssembly, compressed as the platform counts them.
const MAX_COMPRESSED: usize = 150_000;

fn small() -> Result<()> {
    let entry = edge::entry(&setup::tools()?, Variant::default())?;
    let path = entry.with_file_name("build/index_bg.wasm");
    let mut module = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
    let raw = io::copy(&mut module, &mut compressed)?;
    let compressed = compressed.finish()?.len();
    ensure!(compressed <= MAX_COMPRESSED, "{raw} bytes, {compressed} compressed, at most {MAX_COMPRESSED}");
    Ok(())
}
