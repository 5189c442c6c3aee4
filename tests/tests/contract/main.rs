//! What the contract promises, asked of the real parts over HTTP.
//!
//! Most tests share one stack, which is started by the first that needs it and stopped when all have
//! run; so each makes a workspace of its own and asks the origin at paths of its own. Tests that want
//! nobody beside them take turns on stacks that are theirs for that time. A test that needs the parts
//! otherwise, or breaks them, starts a stack for itself.

mod answers;
mod attacks;
mod bad_input;
mod benchmark;
mod bulk;
mod cdn;
mod clients;
mod commands;
mod conditions;
mod credentials;
mod deadlines;
mod edges;
mod effects;
mod exports;
mod faults;
mod framing;
mod identity;
mod import;
mod lanes;
mod lookup;
mod malformed;
mod observe;
mod openapi;
mod paths;
mod people;
mod permissions;
mod ping;
mod receipts;
mod refusals;
mod restrictions;
mod reveal;
mod rotation_watch;
mod routes;
mod schemathesis;
mod secrets;
mod size;
mod tokens;
mod told;
mod turns;
mod usage;
mod verify;
mod witnesses;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock};

use anyhow::{Context, Result};
use keyward_tests::{Options, Stack, guard};
use libtest_mimic::{Arguments, Failed, Trial};

use turns::Turns;

/// One test, registered by its module.
pub(crate) struct Test {
    name: &'static str,
    run: Run,
    from: Depth,
}

/// How much of the tests is wanted; a test runs from its own depth on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Quick,
    Usual,
    Long,
}

impl Depth {
    /// What `cargo xtask test` was told; by hand, without it, the usual.
    fn wanted() -> Self {
        match std::env::var("KEYWARD_TEST_DEPTH").as_deref() {
            Ok("quick") => Self::Quick,
            Ok("long") => Self::Long,
            _ => Self::Usual,
        }
    }
}

enum Run {
    Shared(fn(&Stack) -> Result<()>),
    InTurn(&'static Turns, fn(&Stack) -> Result<()>),
    Alone(fn() -> Result<()>),
}

impl Test {
    /// A test on the stack that all share.
    pub(crate) fn shared(name: &'static str, run: fn(&Stack) -> Result<()>) -> Self {
        Self { name, run: Run::Shared(run), from: Depth::Quick }
    }

    /// A test on a stack that is its own while it runs, and that others take after it. It leaves the
    /// parts running, as it found them.
    pub(crate) fn in_turn(name: &'static str, turns: &'static Turns, run: fn(&Stack) -> Result<()>) -> Self {
        Self { name, run: Run::InTurn(turns, run), from: Depth::Quick }
    }

    /// A test that starts what it needs itself.
    pub(crate) fn alone(name: &'static str, run: fn() -> Result<()>) -> Self {
        Self { name, run: Run::Alone(run), from: Depth::Quick }
    }

    /// Whose stack it runs on: tests with the same one take turns.
    fn kind(&self) -> Option<*const Turns> {
        match self.run {
            Run::InTurn(turns, _) => Some(std::ptr::from_ref(turns)),
            Run::Shared(_) | Run::Alone(_) => None,
        }
    }

    /// The same, left out by `--quick`.
    pub(crate) fn slow(self) -> Self {
        Self { from: Depth::Usual, ..self }
    }

    /// The same, only with `--long`.
    pub(crate) fn long(self) -> Self {
        Self { from: Depth::Long, ..self }
    }
}

/// Every module's tests.
fn all() -> Vec<(&'static str, Vec<Test>)> {
    vec![
        ("ping", ping::tests()),
        ("told", told::tests()),
        ("verify", verify::tests()),
        ("routes", routes::tests()),
        ("restrictions", restrictions::tests()),
        ("paths", paths::tests()),
        ("observe", observe::tests()),
        ("malformed", malformed::tests()),
        ("identity", identity::tests()),
        ("framing", framing::tests()),
        ("credentials", credentials::tests()),
        ("clients", clients::tests()),
        ("answers", answers::tests()),
        ("effects", effects::tests()),
        ("deadlines", deadlines::tests()),
        ("lanes", lanes::tests()),
        ("cdn", cdn::tests()),
        ("edges", edges::tests()),
        ("usage", usage::tests()),
        ("receipts", receipts::tests()),
        ("refusals", refusals::tests()),
        ("rotation_watch", rotation_watch::tests()),
        ("bad_input", bad_input::tests()),
        ("conditions", conditions::tests()),
        ("commands", commands::tests()),
        ("faults", faults::tests()),
        ("attacks", attacks::tests()),
        ("secrets", secrets::tests()),
        ("people", people::tests()),
        ("permissions", permissions::tests()),
        ("tokens", tokens::tests()),
        ("reveal", reveal::tests()),
        ("exports", exports::tests()),
        ("witnesses", witnesses::tests()),
        ("import", import::tests()),
        ("bulk", bulk::tests()),
        ("lookup", lookup::tests()),
        ("openapi", openapi::tests()),
        ("schemathesis", schemathesis::tests()),
        ("size", size::tests()),
        ("benchmark", benchmark::tests()),
    ]
}

/// Tests at once, where nobody says how many. Most of what they do is to wait.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    guard::install();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let shared = Arc::new(Shared::default());
    let tests: Vec<_> =
        all().into_iter().flat_map(|(module, tests)| tests.into_iter().map(move |test| (module, test))).collect();
    let trials = spread(tests).into_iter().map(|(module, test)| trial(module, test, &shared)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    shared.stop(conclusion.has_failed());
    turns::stop_all();
    conclusion.exit_code()
}

/// The same tests in an order in which those that wait for one another's stack are far apart: of each
/// kind, a part of the same size in every part of the run, in the order in which they are registered.
fn spread(tests: Vec<(&'static str, Test)>) -> Vec<(&'static str, Test)> {
    let mut of_kind = HashMap::new();
    for (_, test) in &tests {
        *of_kind.entry(test.kind()).or_insert(0_usize) += 1;
    }
    let (mut seen, mut placed) = (HashMap::new(), Vec::new());
    for (module, test) in tests {
        let kind = test.kind();
        let before = seen.entry(kind).or_insert(0_usize);
        // Thousandths of the run, at the middle of this test's own share.
        let place = (2 * *before + 1) * 500 / of_kind[&kind];
        *before += 1;
        placed.push((place, module, test));
    }
    placed.sort_by_key(|(place, ..)| *place);
    placed.into_iter().map(|(_, module, test)| (module, test)).collect()
}

fn trial(module: &str, test: Test, shared: &Arc<Shared>) -> Trial {
    let shared = Arc::clone(shared);
    let left_out = test.from > Depth::wanted();
    Trial::test(format!("{module}::{}", test.name), move || {
        let outcome = match test.run {
            Run::Shared(run) => shared.stack().and_then(run),
            Run::InTurn(turns, run) => turns.take(run),
            Run::Alone(run) => run(),
        };
        outcome.map_err(|error| Failed::from(format!("{error:?}")))
    })
    .with_ignored_flag(left_out)
}

/// The stack that most tests share.
#[derive(Default)]
struct Shared {
    stack: OnceLock<Stack>,
    starting: Mutex<()>,
}

impl Shared {
    fn stack(&self) -> Result<&Stack> {
        // One start at a time; a start that failed is tried again by the next test, with its own error.
        let _one = self.starting.lock();
        if self.stack.get().is_none() {
            let stack = Stack::start(&Options::default()).context("the stack does not start")?;
            let _ = self.stack.set(stack);
        }
        self.stack.get().context("the stack does not start")
    }

    fn stop(self: Arc<Self>, failed: bool) {
        let Some(stack) = Arc::into_inner(self).and_then(|shared| shared.stack.into_inner()) else {
            return;
        };
        if failed {
            eprintln!("the stack's logs are kept in {}", stack.keep().join("logs").display());
        }
    }
}
