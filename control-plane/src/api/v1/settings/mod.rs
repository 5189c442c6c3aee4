//! `/v1/settings`: what travels to every edge beside the routes.

mod get;
mod patch;

use axum::Router;
use axum::routing::get;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/", get(get::get).patch(patch::patch))
}
