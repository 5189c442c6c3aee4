//! The benchmarks behind `cargo xtask bench [NAME] [--full]`.

use anyhow::Result;
use keyward_tests::{bench, guard};

fn main() -> Result<()> {
    guard::install();
    let (flags, names): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word == "--full");
    bench::run(names.first().map(String::as_str), bench::Scale { full: !flags.is_empty() })
}
