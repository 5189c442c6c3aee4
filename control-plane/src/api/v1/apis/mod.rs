//! `/v1/apis`: the catalogue.

mod delete;
mod get;
mod list;
mod put;

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

use crate::api::ApiState;
use crate::api::wire::apis::PutRoute;

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/", get(list::list)).route("/{api}", get(get::get).put(put::put).delete(delete::delete))
}

/// The operations of these routes.
#[derive(OpenApi)]
// The list of routes names the schema of one without its type.
#[openapi(paths(list::list, get::get, put::put, delete::delete), components(schemas(PutRoute)))]
pub(super) struct Operations;
