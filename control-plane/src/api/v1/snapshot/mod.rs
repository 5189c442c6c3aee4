//! `/v1/snapshot`: how publishing stands, and the http lane that edges read.
//!
//! The lane may have a CDN or another shared cache in front of it, which `s-maxage` tells how long it may
//! answer by itself. It must hand what it has to those only who show the token that it was answered to:
//! `Vary` says so. Refusals and what is not there are kept by nobody.

mod head;
mod object;
mod status;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::OpenApi;

use crate::api::ApiState;
use crate::api::etag::Tag;

/// Signed or content-addressed bytes that no browser should guess a type for.
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(super) fn status_router() -> Router<ApiState> {
    Router::new().route("/snapshot", get(status::status))
}

pub(super) fn lane_router() -> Router<ApiState> {
    Router::new().route("/snapshot/head", get(head::head)).route("/snapshot/objects/{name}", get(object::object))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(status::status, head::head, object::object))]
pub(super) struct Operations;

/// Signed or content-addressed bytes, or 304 where the asker has them. Shared caches may keep them, each for
/// those who show the same token.
fn cacheable(asked: &HeaderMap, tag: &Tag, keep: HeaderValue, bytes: impl Into<Body>) -> Response {
    let mut response = if tag.is_named_by(asked) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(bytes.into());
        response.headers_mut().insert(header::CONTENT_TYPE, OCTETS);
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, keep);
    // Stored in spite of Authorization (RFC 9111, section 3.5), it would else be anybody's.
    headers.insert(header::VARY, HeaderValue::from_static("authorization"));
    if let Some(value) = tag.to_header() {
        headers.insert(header::ETAG, value);
    }
    response
}
