//! A KV REST API of our own that takes everything: it counts calls and bytes, and keeps heads, or all
//! values where somebody reads them.
//!
//! Bytes are those of the values as KV stores them, before base64. Must never know how many there
//! should be.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How many values of a kind one call wrote, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) values: u64,
    pub(super) bytes: u64,
}

impl Tally {
    fn add(&mut self, bytes: usize) {
        self.values += 1;
        self.bytes += bytes as u64;
    }
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// When its body was there.
    pub(super) at: Instant,
    /// The head that it wrote.
    pub(super) head: Option<Vec<u8>>,
    /// The leaves that it wrote.
    pub(super) leaves: Tally,
    /// The nodes that it wrote.
    pub(super) nodes: Tally,
    /// Other objects that it wrote.
    pub(super) others: Tally,
}

impl Call {
    fn new() -> Self {
        Self {
            at: Instant::now(),
            head: None,
            leaves: Tally::default(),
            nodes: Tally::default(),
            others: Tally::default(),
        }
    }

    /// Bytes of all that it wrote.
    pub(super) fn bytes(&self) -> u64 {
        let head = self.head.as_ref().map_or(0, Vec::len) as u64;
        head + self.objects_bytes()
    }

    /// Bytes of the objects that it wrote.
    pub(super) const fn objects_bytes(&self) -> u64 {
        self.leaves.bytes + self.nodes.bytes + self.others.bytes
    }
}

/// The running sink. It ends with the process.
pub(super) struct Sink {
    address: SocketAddr,
    inside: Arc<Inside>,
}

#[derive(Default)]
struct Inside {
    calls: Mutex<Vec<Call>>,
    /// Where values are to be kept.
    values: Option<Values>,
}

/// What was written, by its key.
pub(super) type Values = Arc<Mutex<HashMap<String, Vec<u8>>>>;

impl Sink {
    /// Starts one on a free port.
    pub(super) fn start() -> Result<Self> {
        Self::serve(Inside::default())
    }

    /// The same, and keeps all values.
    pub(super) fn keeping() -> Result<(Self, Values)> {
        let values = Values::default();
        let sink = Self::serve(Inside { values: Some(Arc::clone(&values)), ..Inside::default() })?;
        Ok((sink, values))
    }

    fn serve(inside: Inside) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let inside = Arc::new(inside);
        let app = Router::new()
            .route("/values/{key}", get(read).put(write))
            .route("/bulk", put(write_bulk))
            .route("/bulk/delete", post(delete_bulk))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&inside));
        thread::Builder::new().name("kv-sink".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { axum::serve(TcpListener::from_std(listener)?, app).await })
        })?;
        Ok(Self { address, inside })
    }

    /// Where it is reached.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The calls so far but for the first so many, the oldest first.
    pub(super) fn calls_after(&self, seen: usize) -> Vec<Call> {
        lock(&self.inside.calls).iter().skip(seen).cloned().collect()
    }

    /// How many calls there were.
    pub(super) fn count(&self) -> usize {
        lock(&self.inside.calls).len()
    }
}

impl Inside {
    fn keep(&self, key: &str, value: &[u8]) {
        if let Some(values) = &self.values {
            lock(values).insert(key.to_owned(), value.to_vec());
        }
    }
}

type Served = State<Arc<Inside>>;

async fn read(State(inside): Served, Path(key): Path<String>) -> Response {
    let mut calls = lock(&inside.calls);
    let head = calls.iter().rev().find_map(|call| call.head.clone()).filter(|_| key == "head");
    calls.push(Call::new());
    head.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

async fn write(State(inside): Served, Path(key): Path<String>, value: Bytes) -> Json<Value> {
    let mut call = Call::new();
    inside.keep(&key, &value);
    if key == "head" {
        call.head = Some(value.to_vec());
    } else {
        call.others.add(value.len());
    }
    lock(&inside.calls).push(call);
    done(1)
}

async fn write_bulk(State(inside): Served, body: Bytes) -> Result<Json<Value>, StatusCode> {
    let call = bulk(&inside, &body).map_err(|_| StatusCode::BAD_REQUEST)?;
    let written = call.leaves.values + call.nodes.values + call.others.values;
    lock(&inside.calls).push(call);
    Ok(done(written))
}

async fn delete_bulk(State(inside): Served) -> Json<Value> {
    lock(&inside.calls).push(Call::new());
    done(0)
}

fn bulk(inside: &Inside, body: &[u8]) -> Result<Call> {
    let mut call = Call::new();
    let pairs: Vec<Value> = serde_json::from_slice(body)?;
    for pair in &pairs {
        let encoded = pair["value"].as_str().context("a pair without value")?;
        let value = BASE64_STANDARD.decode(encoded)?;
        inside.keep(pair["key"].as_str().context("a pair without key")?, &value);
        match value.get(..4) {
            Some(b"KWLF") => call.leaves.add(value.len()),
            Some(b"KWND") => call.nodes.add(value.len()),
            _ => call.others.add(value.len()),
        }
    }
    Ok(call)
}

fn done(count: u64) -> Json<Value> {
    let result = json!({"successful_key_count": count, "unsuccessful_keys": []});
    Json(json!({"success": true, "errors": [], "messages": [], "result": result}))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
