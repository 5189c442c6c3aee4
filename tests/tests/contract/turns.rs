//! Stacks that tests take one after the other: each has the parts to itself while it runs, and finds
//! them running.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use keyward_tests::{Fleet, FleetOptions, Lanes, Options, Stack};

/// A stack on which one test runs at a time.
pub(crate) struct Turns {
    options: fn() -> Options,
    stack: Mutex<Option<Stack>>,
}

/// Both lanes, as `cargo xtask dev` has them.
pub(crate) static QUIET: Turns = Turns::new(Options::default);

/// An edge that reads from KV alone.
pub(crate) static KV_ONLY: Turns = Turns::new(|| Options { lanes: Lanes::Kv, ..Options::default() });

const ALL: [&Turns; 2] = [&QUIET, &KV_ONLY];

impl Turns {
    const fn new(options: fn() -> Options) -> Self {
        Self { options, stack: Mutex::new(None) }
    }

    /// Runs a test when it is its turn. After one that failed, the next finds new parts.
    pub(crate) fn take(&self, test: fn(&Stack) -> Result<()>) -> Result<()> {
        let mut stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match stack.take() {
            Some(running) => running,
            None => Stack::start(&(self.options)()).context("the stack does not start")?,
        };
        *stack = Some(outlives(running, test)?);
        Ok(())
    }
}

/// Runs a test on a stack that nobody else ever uses.
pub(crate) fn alone(options: &Options, test: impl FnOnce(&Stack) -> Result<()>) -> Result<()> {
    outlives(Stack::start(options).context("the stack does not start")?, test).map(drop)
}

/// Runs a test on a fleet that nobody else ever uses. Nobody in it goes beyond what Cloudflare lets them do.
pub(crate) fn fleet(options: &FleetOptions, test: impl FnOnce(&mut Fleet) -> Result<()>) -> Result<()> {
    let mut fleet = Fleet::start(options).context("the fleet does not start")?;
    let done = test(&mut fleet).and_then(|()| {
        let violations = fleet.kv().map(keyward_tests::FakeKv::violations).unwrap_or_default();
        ensure!(violations.is_empty(), "Cloudflare would have refused {violations:?}");
        Ok(())
    });
    done.map_err(|error| error.context(format!("the fleet's logs are kept in {}", fleet.keep().display())))
}

/// The stack after a test that went well; after another its logs are kept, for somebody to read.
fn outlives(stack: Stack, test: impl FnOnce(&Stack) -> Result<()>) -> Result<Stack> {
    match test(&stack) {
        Ok(()) => Ok(stack),
        Err(error) => {
            let logs = stack.keep().join("logs");
            Err(error.context(format!("the stack's logs are kept in {}", logs.display())))
        }
    }
}

/// Stops what is still running.
pub(crate) fn stop_all() {
    for turns in ALL {
        drop(turns.stack.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
