//! `/v1/snapshot`: how publishing stands, and the http lane that edges read.

mod head;
mod object;
mod status;

use axum::Router;
use axum::http::HeaderValue;
use axum::routing::get;
use utoipa::OpenApi;

use crate::api::ApiState;

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
