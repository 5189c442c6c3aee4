//! `cargo xtask test`: every check and test there is, with one sum at the end.
//!
//! A failed check does not stop the others. The last line is the sum alone, for machines to read.
//! Must never know what the tests test.

mod tally;

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::build::edge::Variant;
use crate::build::{edge, native};
use crate::setup::{self, TestTools, Tools, WASM_TARGET};
use crate::step::{self, Step};
use crate::workspace;

use tally::Tally;

/// Tells the tests how much of them is wanted.
const DEPTH: &str = "KEYWARD_TEST_DEPTH";
const ADVICE: &str = "mend what is said above; `cargo xtask test --quick` checks most of it soon";

/// What `cargo xtask test` may be told.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Leaves out what takes minutes
    #[arg(long, conflicts_with = "long")]
    quick: bool,
    /// Adds what takes an hour
    #[arg(long)]
    long: bool,
}

impl Options {
    fn depth(&self) -> &'static str {
        match (self.quick, self.long) {
            (true, _) => "quick",
            (_, true) => "long",
            _ => "usual",
        }
    }
}

/// Installs what is needed, checks everything, and says how much of it holds.
pub fn run(options: &Options) -> Result<ExitCode> {
    eprintln!("Setting up");
    let tools = setup::tools()?;
    let test_tools = setup::test_tools(&tools)?;
    let mut tally = Tally::default();

    eprintln!("Checking");
    static_checks(options, &tools, &test_tools, &mut tally);

    eprintln!("Building");
    let edge = tally.check("edge", edge::entry(&tools, Variant::default()).map(drop));
    let native = tally.check("programs and tests", native::all_targets());

    eprintln!("Testing");
    if !edge {
        eprintln!("  the tests of the running parts will fail: there is no edge to run");
    }
    if native {
        tests(options, &mut tally, &test_tools)?;
    }
    Ok(tally.close())
}

fn static_checks(options: &Options, tools: &Tools, test_tools: &TestTools, tally: &mut Tally) {
    let check = |name: &str, mut command: Command, tally: &mut Tally| {
        command.current_dir(workspace::root());
        let step = Step::begin(name);
        let log = name.replace(' ', "-");
        let outcome = step::run(&step, &command, &log, ADVICE);
        if outcome.is_ok() {
            step.done("holds");
        } else {
            drop(step);
        }
        tally.check(name, outcome);
    };

    let mut format = setup::cargo();
    format.args(["fmt", "--all", "--check"]);
    check("fmt", format, tally);

    let mut clippy = setup::cargo();
    clippy
        .args(["clippy", "--workspace", "--all-targets"])
        .arg("--target-dir")
        .arg(workspace::target())
        .args(["--", "--deny", "warnings"]);
    check("clippy", clippy, tally);
    if options.quick {
        return;
    }

    let mut clippy = setup::cargo();
    clippy
        // With its own profile, since the macros and build scripts of its build are there already.
        .args(["clippy", "--profile", edge::PROFILE, "--package", "keyward-edge", "--target", WASM_TARGET])
        .arg("--target-dir")
        .arg(tools.wasm.target_folder())
        .args(["--", "--deny", "warnings"]);
    tools.wasm.choose(&mut clippy);
    check("clippy of the edge", clippy, tally);

    let deny = |what: &[&str]| {
        let mut deny = Command::new(&test_tools.cargo_deny);
        // Without --offline it would ask the registry for news although nothing needs it.
        deny.args(["--log-level", "error", "check"]).args(what);
        deny
    };
    check("licences and sources", deny(&["licenses", "bans", "sources"]), tally);
    if options.long {
        advisories(deny(&["advisories"]));
    }
}

/// Looks for known weaknesses. The database is on the network, so this is told and not counted.
fn advisories(mut command: Command) {
    let step = Step::begin("advisories");
    command.current_dir(workspace::root());
    match step::run(&step, &command, "advisories", "see which crate it names, or that the network is there") {
        Ok(()) => step.done("none known"),
        Err(error) => {
            step.done("not known, not counted");
            eprintln!("{error:#}\n");
        }
    }
}

/// Runs all tests in one call: with another choice of packages their dependencies would get other
/// features, and be compiled again.
fn tests(options: &Options, tally: &mut Tally, test_tools: &TestTools) -> Result<()> {
    let mut test = setup::cargo();
    test.current_dir(workspace::root())
        .args(["test", "--workspace", "--no-fail-fast", "--target-dir"])
        .arg(workspace::target())
        .env(DEPTH, options.depth())
        .env(native::BUILT, native::program("keyward"))
        .env("KEYWARD_TEST_PYTHON", &test_tools.python);
    setup::with_npm_programs(&mut test);
    if options.long {
        test.env("PROPTEST_CASES", "20000");
    }
    tally.tests(&test)
}
