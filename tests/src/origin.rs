//! An origin that answers every request with what reached it, and remembers the latest.
//!
//! A client may choose what is answered to it: `X-Answer-Status`, `X-Answer-Header` (`name: value`, any
//! number of them), and `X-Answer-Body`, which is `request` for the request's own body, or a number of
//! bytes; `X-Answer-Pause-Ms` is waited between the two halves of that.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json, Response};
use axum::{Router, http};
use futures_util::stream;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How many requests are remembered.
const REMEMBERED: usize = 16_384;
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
    let answer = answer(&seen, body);
    memory.remember(seen);
    answer
}

fn answer(seen: &Seen, body: Bytes) -> Response {
    let first = |name: &str| seen.header(name).first().map(|value| (*value).to_owned());
    let number = |name: &str| first(name).and_then(|value| value.parse::<u64>().ok());
    let mut answer = match first("x-answer-body").as_deref() {
        None => Json(seen.to_json()).into_response(),
        Some("request") => Body::from(body).into_response(),
        Some(_) => {
            let half = vec![b'k'; usize::try_from(number("x-answer-body").unwrap_or(0) / 2).unwrap_or(0)];
            let pause = Duration::from_millis(number("x-answer-pause-ms").unwrap_or(0));
            halves(Bytes::from(half), pause).into_response()
        }
    };
    if let Some(status) = first("x-answer-status").and_then(|status| status.parse().ok()) {
        *answer.status_mut() = status;
    }
    for header in seen.header("x-answer-header") {
        if let Some((name, value)) = header.split_once(": ")
            && let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), value.parse())
        {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// The same bytes twice, with a pause between.
fn halves(half: Bytes, pause: Duration) -> Body {
    Body::from_stream(stream::unfold(0, move |sent| {
        let half = half.clone();
        async move {
            if sent == 1 {
                tokio::time::sleep(pause).await;
            }
            (sent < 2).then(|| (Ok::<_, Infallible>(half), sent + 1))
        }
    }))
}
