//! A Workers KV for the Workers runtime on this machine, out of memory, that counts what is read.
//!
//! Speaks the reading half of what workerd's KV binding asks: `GET /{key}?urlencoded=true`, 200 with
//! the bytes or 404. Caches nothing; answers at once, or after a delay that it is given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

/// What is under a key.
type Values = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

/// The running store. It ends with the process.
pub(super) struct Store {
    address: SocketAddr,
    inside: Arc<Inside>,
}

struct Inside {
    values: Values,
    reads: AtomicU64,
    /// The longest row of reads of which each began after the one before it had ended.
    in_a_row: AtomicU64,
    delay_ms: AtomicU64,
}

impl Store {
    /// Serves values on a free port.
    pub(super) fn start(values: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Result<Self> {
        let inside = Arc::new(Inside {
            values: Arc::new(values),
            reads: AtomicU64::new(0),
            in_a_row: AtomicU64::new(0),
            delay_ms: AtomicU64::new(0),
        });
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free port is left")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let app = Router::new().route("/{key}", get(answer)).with_state(Arc::clone(&inside));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new()
            .name("kv-store".to_owned())
            .spawn(move || runtime.block_on(async { axum::serve(TcpListener::from_std(listener)?, app).await }))?;
        Ok(Self { address, inside })
    }

    /// Where it is reached.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The longest row of reads since the last time it was asked, of which each began after the one
    /// before it had ended: what one request must wait for. To be told apart, reads must take a while.
    pub(super) fn take_in_a_row(&self) -> u64 {
        self.inside.in_a_row.swap(0, Ordering::SeqCst)
    }

    /// How often it was read since the last time it was asked.
    pub(super) fn take_reads(&self) -> u64 {
        self.inside.reads.swap(0, Ordering::Relaxed)
    }

    /// From now on every answer takes this long.
    pub(super) fn delay(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.inside.delay_ms.store(milliseconds, Ordering::Relaxed);
    }
}

async fn answer(State(inside): State<Arc<Inside>>, Path(key): Path<String>) -> Result<Vec<u8>, StatusCode> {
    inside.reads.fetch_add(1, Ordering::Relaxed);
    let place = inside.in_a_row.load(Ordering::SeqCst) + 1;
    let delay = inside.delay_ms.load(Ordering::Relaxed);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    inside.in_a_row.fetch_max(place, Ordering::SeqCst);
    (inside.values)(&key).ok_or(StatusCode::NOT_FOUND)
}
