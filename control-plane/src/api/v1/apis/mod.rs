//! `/v1/apis`: the catalogue.

mod delete;
mod get;
mod list;
mod put;

use axum::Router;
use axum::routing::get;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/", get(list::list)).route("/{api}", get(get::get).put(put::put).delete(delete::delete))
}
