//! The order to stop, from the terminal or from whoever started us.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on a signal is noted instead of ending the program. A second one ends it at once; the
/// children's guards then stop them all the same.
pub fn listen() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen to signals")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if REQUESTED.swap(true, Ordering::SeqCst) {
                std::process::exit(128 + signal);
            }
        }
    });
    Ok(())
}

/// Whether we were told to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
