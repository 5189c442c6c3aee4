//! What is around every request: its id, its log line, its time limit, its problem.
//!
//! The frame knows no resource. It logs method, route, status and time, never a header, a
//! query or a body, because those may hold secrets.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::ApiState;
use super::limits;
use super::problem::{Code, Problem};
use crate::entropy;

/// The header that carries the request's id in every answer.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long before its limit a request is answered that waits for something: time for the answer itself.
const MARGIN: Duration = Duration::from_secs(1);

/// No request takes longer; a change that is still running then is finished all the same.
const TIME_LIMIT: Duration = Duration::from_secs(limits::REQUEST_SECONDS);

/// The id of one request: unique, not secret, in its answer, its log lines and its audit event.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue, String);

impl RequestId {
    fn draw(api: &ApiState) -> Option<Self> {
        let bytes = entropy::draw::<16>(api.entropy.as_ref()).ok()?;
        let text = format!("req_{}", hex::encode(bytes.as_slice()));
        let header = HeaderValue::from_str(&text).ok()?;
        Some(Self(header, text))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.1
    }
}

/// By when a request is to be answered that could wait for longer.
#[derive(Debug, Clone, Copy)]
struct AnsweredBy(Instant);

/// By when a request is to be answered that could wait for longer, so that no limit cuts it off.
pub fn answered_by(parts: &Parts) -> Instant {
    parts.extensions.get::<AnsweredBy>().map_or_else(Instant::now, |AnsweredBy(by)| *by)
}

/// Runs a request inside its frame.
pub async fn frame(State(api): State<ApiState>, mut request: Request, next: Next) -> Response {
    let Some(id) = RequestId::draw(&api) else {
        tracing::error!("no randomness for a request id");
        return Problem::new(Code::Internal).render("");
    };
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id = id.as_str(), %method, route);
    let started = Instant::now();
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(AnsweredBy(started + TIME_LIMIT.saturating_sub(MARGIN)));
    let answer = async {
        let answer = tokio::time::timeout(TIME_LIMIT, next.run(request))
            .await
            .unwrap_or_else(|_| Problem::new(Code::Timeout).into_response());
        let mut answer = settle(answer, &id);
        let took = started.elapsed();
        let status = answer.status();
        api.metrics.observe(&method, &route, status, took);
        log(&route, status, took);
        answer.headers_mut().insert(&REQUEST_ID, id.0.clone());
        answer
    };
    answer.instrument(span).await
}

/// Gives every refusal its body, those of the framework too.
fn settle(answer: Response, id: &RequestId) -> Response {
    let status = answer.status();
    if let Some(problem) = answer.extensions().get::<Problem>() {
        if let Some(cause) = problem.cause() {
            log_cause(status, cause);
        }
        let mut rendered = problem.render(id.as_str());
        for (name, value) in answer.headers() {
            if name == axum::http::header::ALLOW {
                rendered.headers_mut().insert(name, value.clone());
            }
        }
        return rendered;
    }
    if status.is_client_error() || status.is_server_error() {
        let code = match status {
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
            StatusCode::SERVICE_UNAVAILABLE => return answer,
            _ => Code::Internal,
        };
        tracing::error!(%status, "an answer without a problem");
        return Problem::new(code).render(id.as_str());
    }
    answer
}

fn log_cause(status: StatusCode, cause: &dyn std::error::Error) {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(source) = next {
        let words = source.to_string();
        // Some errors quote their source, and it is not worth reading twice.
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = source.source();
    }
    if status.is_server_error() {
        tracing::error!(cause = %text, "refused");
    } else {
        tracing::debug!(cause = %text, "refused");
    }
}

/// Probes and the lane are asked every second or so, and so are logged with the details only.
fn log(route: &str, status: StatusCode, took: Duration) {
    let status_code = status.as_u16();
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let is_routine =
        matches!(route, "/healthz" | "/readyz" | "/metrics" | "/v1/snapshot/head" | "/v1/snapshot/objects/{name}");
    if is_routine && !status.is_server_error() {
        tracing::debug!(status = status_code, took_ms, "answered");
    } else {
        tracing::info!(status = status_code, took_ms, "answered");
    }
}

/// Answers a panic like any other fault of ours; the hook has logged its message.
pub fn on_panic(_payload: Box<dyn std::any::Any + Send + 'static>) -> Response<Body> {
    Problem::new(Code::Internal).into_response()
}
