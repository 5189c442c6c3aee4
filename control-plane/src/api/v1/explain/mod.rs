//! `POST /v1/explain`: why a request was or would be judged so.

use axum::Router;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
}
