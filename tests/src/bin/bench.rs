//! The benchmarks behind `cargo xtask bench [NAME]`.

use anyhow::Result;
use keyward_tests::{bench, guard};

fn main() -> Result<()> {
    guard::install();
    bench::run(std::env::args().nth(1).as_deref())
}
