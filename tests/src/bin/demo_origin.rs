//! The origin behind `cargo xtask dev`: `demo-origin ADDRESS` echoes every request until it is told
//! to stop.

use std::net::TcpListener;

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let address = std::env::args().nth(1).context("usage: demo-origin ADDRESS")?;
    let listener = TcpListener::bind(&address).with_context(|| format!("cannot listen on {address}"))?;
    // SIGTERM ends it as it ends any program; there is nothing to save.
    keyward_tests::origin::serve_until(listener, std::future::pending())
}
