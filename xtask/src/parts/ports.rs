//! Addresses to listen on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};

/// An address on this machine that nobody listens on now.
pub fn free() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port is left")?;
    Ok(listener.local_addr()?)
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
