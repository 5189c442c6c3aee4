//! `/v1/audit`: who did what, and the proof of it.

mod checkpoint;
mod checkpoints;
mod download;
mod events;
mod export;
mod mail;
mod proof;

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/events", get(events::list))
        .route("/export", get(export::export).head(export::look).post(mail::mail))
        .route("/checkpoint", get(checkpoint::newest))
        .route("/checkpoints", get(checkpoints::list))
        .route("/proof", get(proof::prove))
}

/// What asks no token, but a link.
pub(super) fn link_router() -> Router<ApiState> {
    Router::new().route("/exports/{id}/{secret}", get(download::download).head(download::look))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    events::list,
    export::export,
    mail::mail,
    download::download,
    checkpoint::newest,
    checkpoints::list,
    proof::prove
))]
pub(super) struct Operations;
