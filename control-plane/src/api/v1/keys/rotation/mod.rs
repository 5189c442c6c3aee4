//! `/v1/workspaces/{ws}/keys/{key}/rotation`: the time in which the old secret still works.

mod cancel;
mod extend;
mod finish;
mod pause;
mod resume;

use axum::Router;
use axum::routing::post;
use utoipa::OpenApi;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/finish", post(finish::finish))
        .route("/cancel", post(cancel::cancel))
        .route("/extend", post(extend::extend))
        .route("/pause", post(pause::pause))
        .route("/resume", post(resume::resume))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(finish::finish, cancel::cancel, extend::extend, pause::pause, resume::resume))]
pub(in crate::api::v1) struct Operations;
