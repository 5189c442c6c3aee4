//! `/v1/edges`: the edges that were heard from, and what they report.

mod list;
mod refusals;
mod report;

use axum::Router;
use axum::routing::{get, post};
use utoipa::OpenApi;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/edges", get(list::list)).route("/edges/refusals", get(refusals::list))
}

/// What asks for the edges' own credential.
pub(super) fn report_router() -> Router<ApiState> {
    Router::new().route("/edges/report", post(report::report))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(list::list, refusals::list, report::report))]
pub(super) struct Operations;
