//! `POST /v1/workspaces/{ws}/keys/bulk`: many keys at once.

use axum::Router;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
}
