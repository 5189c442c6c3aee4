//! `POST /v1/keys/import`: keys that exist elsewhere, a line each.

use axum::Router;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
}
