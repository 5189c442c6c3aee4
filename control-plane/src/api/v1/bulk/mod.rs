//! `/v1/workspaces/{ws}/keys/bulk`: many keys at once.

mod change;

use axum::Router;
use axum::routing::post;
use utoipa::OpenApi;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/", post(change::change))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(change::change))]
pub(super) struct Operations;
