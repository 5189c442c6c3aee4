//! `/v1/workspaces/{ws}/teams`: the teams of a workspace.

use axum::Router;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
}
