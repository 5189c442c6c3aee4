//! The benchmarks behind `cargo xtask bench [NAME] [--full|--quick]`.

use anyhow::Result;
use keyward_tests::{bench, guard};

fn main() -> Result<()> {
    guard::install();
    let (flags, names): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    let scale = bench::Scale { full: has("--full"), quick: has("--quick") };
    bench::run(names.first().map(String::as_str), scale)
}
