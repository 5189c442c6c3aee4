//! `/v1/settings`: what travels to every edge beside the routes.

mod get;
mod patch;

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/", get(get::get).patch(patch::patch))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(get::get, patch::patch))]
pub(super) struct Operations;
