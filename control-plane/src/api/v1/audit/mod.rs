//! `/v1/audit`: who did what, and the proof of it.

mod checkpoint;
mod checkpoints;
mod events;
mod export;
mod proof;

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/events", get(events::list))
        .route("/export", get(export::export))
        .route("/checkpoint", get(checkpoint::newest))
        .route("/checkpoints", get(checkpoints::list))
        .route("/proof", get(proof::prove))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(events::list, export::export, checkpoint::newest, checkpoints::list, proof::prove))]
pub(super) struct Operations;
