//! `/v1/generations`: where changes have arrived.

mod get;

use axum::Router;
use axum::routing;
use utoipa::OpenApi;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/{generation}", routing::get(get::get))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(get::get))]
pub(super) struct Operations;
