//! Answers: JSON with an entity tag, and the same bytes again for a replay.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::etag::Tag;
use super::problem::{Code, Problem};
use crate::domain::change::Generation;
use crate::lifecycle::StoredAnswer;

/// Says that an answer was given before and nothing happened this time.
static REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What a mutation answers, on its way into the transaction that keeps it.
pub struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: Zeroizing<String>,
}

/// A resource's members with the generation beside them.
#[derive(Serialize, ToSchema)]
#[schema(as = Changed)]
pub struct WithGeneration<'a, T> {
    #[serde(flatten)]
    resource: &'a T,
    generation: u64,
}

/// The generation alone, for what is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = Gone)]
pub struct OnlyGeneration {
    generation: u64,
}

impl Answer {
    /// An answer with this body.
    pub fn new<T: Serialize>(status: StatusCode, body: &T) -> Self {
        Self { status, headers: Vec::new(), body: json(body) }
    }

    /// A resource with its generation and its own entity tag.
    pub fn resource<T: Serialize>(status: StatusCode, resource: &T, version: u64, generation: Generation) -> Self {
        let body = WithGeneration { resource, generation: generation.0 };
        Self::new(status, &body).tagged(version, resource)
    }

    /// What is answered when the resource is gone.
    pub fn gone(generation: Generation) -> Self {
        let body = OnlyGeneration { generation: generation.0 };
        Self::new(StatusCode::OK, &body)
    }

    /// Adds the entity tag that a GET of the resource would have.
    #[must_use]
    pub fn tagged<T: Serialize>(self, version: u64, resource: &T) -> Self {
        let tag = Tag::of_version(version, json(resource).as_bytes());
        self.header(header::ETAG, tag.as_str())
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Keeps the answer out of every cache: it holds a secret.
    #[must_use]
    pub fn no_store(self) -> Self {
        self.header(header::CACHE_CONTROL, "no-store")
    }

    /// The answer as it is kept.
    pub fn into_stored(self) -> StoredAnswer {
        StoredAnswer {
            status: self.status.as_u16(),
            headers: self.headers.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect(),
            body: self.body,
        }
    }
}

/// An answer of a mutation, given now or before.
pub fn stored(answer: &StoredAnswer, is_replay: bool) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(answer.status).map_err(|error| internal().caused_by(error))?;
    let mut response = Response::new(Body::from(answer.body.as_bytes().to_vec()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, APPLICATION_JSON);
    for (name, value) in &answer.headers {
        let name = HeaderName::try_from(name).map_err(|error| internal().caused_by(error))?;
        let value = HeaderValue::from_str(value).map_err(|error| internal().caused_by(error))?;
        headers.insert(name, value);
    }
    if is_replay {
        headers.insert(REPLAYED.clone(), HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// A single resource that is read: 200, or 304 when the client has it.
pub fn read<T: Serialize>(request: &HeaderMap, version: u64, resource: &T) -> Response {
    let body = json(resource);
    let tag = Tag::of_version(version, body.as_bytes());
    conditional(request, &tag, APPLICATION_JSON, &body)
}

/// A list that is read: 200, or 304 when the client has it.
pub fn list<T: Serialize>(request: &HeaderMap, page: &T) -> Response {
    let body = json(page);
    let tag = Tag::of_list(body.as_bytes());
    conditional(request, &tag, APPLICATION_JSON, &body)
}

/// A text that is read: 200, or 304 when the client has it.
pub fn text(request: &HeaderMap, text: &str) -> Response {
    conditional(request, &Tag::of_list(text.as_bytes()), TEXT_PLAIN, text)
}

const TEXT_PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers may be kept by the client's own cache, and asked for again each time.
const REVALIDATE: HeaderValue = HeaderValue::from_static("private, no-cache");

fn conditional(request: &HeaderMap, tag: &Tag, content_type: HeaderValue, body: &str) -> Response {
    let mut response = if tag.is_named_by(request) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(body.as_bytes().to_vec()));
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, REVALIDATE);
    if let Some(value) = tag.to_header() {
        headers.insert(header::ETAG, value);
    }
    response
}

/// Writes a wire shape. They are structs of plain members and string-keyed maps, which always
/// have a JSON form; an empty body would show a mistake of ours to the client at once.
fn json<T: Serialize>(value: &T) -> Zeroizing<String> {
    Zeroizing::new(serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "a wire shape has no JSON form");
        String::new()
    }))
}

fn internal() -> Problem {
    Problem::new(Code::Internal)
}
