//! `POST /v1/keys/lookup`: the key that a secret belongs to.

use axum::Router;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
}
