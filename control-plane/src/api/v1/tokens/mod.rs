//! `/v1/workspaces/{ws}/members/{member}/tokens`: what acts as a member.

mod create;
mod get;
mod list;
mod revoke;
mod revoke_all;

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/", get(list::list).post(create::create).delete(revoke_all::revoke_all))
        .route("/{token}", get(get::get).delete(revoke::revoke))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(list::list, create::create, get::get, revoke::revoke, revoke_all::revoke_all))]
pub(super) struct Operations;
