//! `/v1/workspaces/{ws}/teams`: the teams of a workspace.

mod create;
mod delete;
mod get;
mod list;
mod patch;

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/", get(list::list).post(create::create))
        .route("/{team}", get(get::get).patch(patch::patch).delete(delete::delete))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(list::list, create::create, get::get, patch::patch, delete::delete))]
pub(super) struct Operations;
