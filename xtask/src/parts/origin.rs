//! The demo origin, which answers every request with what reached it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Part;
use super::http::Client;
use super::ports;

/// Starts the origin and waits until it answers.
pub fn start(program: &Path, listen: SocketAddr, log: &Path) -> Result<Part> {
    let mut command = Command::new(program);
    command.arg(listen.to_string());
    let mut part = Part::start("the demo origin", &command, log)?;
    let client = Client::new(&ports::url(listen), None);
    part.wait_until(Duration::from_secs(10), || client.get("/")?.must_be(200).map(drop))?;
    Ok(part)
}
