//! The benchmark of propagation comes to its end: its parts are long, many and seldom run, and what they measure
//! changes often. Whether its figures are good is told by a run on a machine that does nothing else.

use std::process::Command;

use anyhow::{Result, ensure};
use keyward_tests::clients::run;
use xtask::build::native::{self, Profile};

use crate::Test;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::alone("the_propagation_benchmark_comes_to_its_end", propagation).long()]
}

/// A row of each of its parts.
const ROWS: [&str; 7] = [
    "| 3 h alone (simulated clock), 12 edges: ",
    "| http lane, 1 edge, ",
    "| http lane, first requests at edges idle for ",
    "| http lane, all of 16 edges",
    "| http lane, 4 edges behind nginx, ",
    "| kv lane, writes shown after ",
    "| 1000 changes in 6 s: made |",
];

/// A tenth of it, with a control plane that is built already. A part that cannot be measured is an error, a figure
/// that misses its target is none.
fn propagation() -> Result<()> {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
    bench.args(["propagation", "--quick"]).env(native::MEASURED, native::keyward(Profile::Development)?);
    let said = run(&mut bench)?;
    for row in ROWS {
        ensure!(said.contains(row), "no row begins with `{row}`: {said}");
    }
    Ok(())
}
