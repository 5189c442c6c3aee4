//! An origin that answers every request with what reached it, and remembers the latest.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json, Response};
use axum::{Router, http};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How many requests are remembered.
const REMEMBERED: usize = 1024;
/// The largest body that is counted.
const BODY_LIMIT: usize = 64 << 20;

/// A request as it reached the origin.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path, percent-encoded as it came.
    pub path: String,
    /// The query, without its question mark.
    pub query: Option<String>,
    /// The headers in their order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's length.
    pub body_bytes: usize,
}

impl Seen {
    /// The values of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    fn to_json(&self) -> Value {
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            let joined = match headers.get(name).and_then(Value::as_str) {
                Some(first) => format!("{first}, {value}"),
                None => value.clone(),
            };
            headers.insert(name.clone(), Value::String(joined));
        }
        json!({
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": headers,
            "body_bytes": self.body_bytes,
        })
    }
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<VecDeque<Seen>>>);

impl Memory {
    fn remember(&self, seen: Seen) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() == REMEMBERED {
            memory.pop_front();
        }
        memory.push_back(seen);
    }
}

/// A running origin, ended when dropped.
pub struct Origin {
    address: SocketAddr,
    memory: Memory,
    _stop: oneshot::Sender<()>,
}

impl Origin {
    /// Starts an origin on a free port of this machine.
    pub fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let memory = Memory::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let remembered = memory.clone();
        thread::Builder::new().name("origin".to_owned()).spawn(move || {
            // The test that asks this origin is told by the missing answer.
            if let Err(error) = serve(listener, remembered, async { drop(stopped.await) }) {
                eprintln!("the origin has ended: {error:#}");
            }
        })?;
        Ok(Self { address, memory, _stop: stop })
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that reached it, the oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.memory.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The requests for a path, the oldest first. Tests that share an origin use paths of their own.
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path == path).collect()
    }
}

/// Serves until `stop` is ready, on a runtime of this thread's own.
pub fn serve_until(listener: std::net::TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    serve(listener, Memory::default(), stop)
}

fn serve(
    listener: std::net::TcpListener,
    memory: Memory,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).context("cannot listen")?;
        let router = Router::new().fallback(echo).with_state(memory);
        let server = axum::serve(listener, router).into_future();
        tokio::select! {
            ended = server => ended.context("the origin's server ended"),
            () = stop => Ok(()),
        }
    })
}

async fn echo(State(memory): State<Memory>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return http::StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let seen = Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body_bytes: body.len(),
    };
    let answer = Json(seen.to_json()).into_response();
    memory.remember(seen);
    answer
}
