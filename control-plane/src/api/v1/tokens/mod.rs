//! `/v1/workspaces/{ws}/members/{member}/tokens`: what acts as a member.

use axum::Router;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
}
