//! Addresses to listen on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail};

/// The first of the ports that are given out, and how many: below those that Linux and others give to outgoing
/// connections (from 32768), for one of these would be taken again before somebody listens on it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
/// How many were given out.
static GIVEN: AtomicU16 = AtomicU16::new(0);

/// An address on this machine that nobody listens on now, and that this process gave to nobody lately.
pub fn free() -> Result<SocketAddr> {
    // Elsewhere in each process, so that two which run at a time do not choose the same.
    let begin = std::process::id().wrapping_mul(997) % u32::from(COUNT);
    (0..COUNT)
        .map(|_| (begin + u32::from(GIVEN.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT))
        .filter_map(|nth| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + u16::try_from(nth).ok()?))))
        .find(|address| TcpListener::bind(address).is_ok())
        .context("no free port is left")
}

/// Sees that an address can be listened on; `flag` is the one that chooses another.
pub fn must_be_free(address: SocketAddr, flag: &str) -> Result<()> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "cannot listen on {address}: {error}\n\
             What to do: end the program that uses it, or choose another address with {flag}"
        ),
    }
}

/// How to reach what listens on an address: the unspecified address means this machine.
pub fn url(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("http://{address}")
}
