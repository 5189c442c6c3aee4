//! `/v1/audit/export`: the audit log as a file.

mod stream;

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/audit/export", get(stream::export))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(stream::export))]
pub(super) struct Operations;
