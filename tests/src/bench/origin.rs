//! An origin that answers everything with the same few bytes.

use std::net::SocketAddr;
use std::thread;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::any;
use tokio::net::TcpListener;

/// Starts one on a free port; it ends with the process.
pub(super) fn start() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free port is left")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let answer = || async { ([(CONTENT_TYPE, "application/json")], r#"{"data":[1,2,3]}"#) };
    let app = Router::new().fallback(any(answer));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("origin".to_owned())
        .spawn(move || runtime.block_on(async { axum::serve(TcpListener::from_std(listener)?, app).await }))?;
    Ok(address)
}
