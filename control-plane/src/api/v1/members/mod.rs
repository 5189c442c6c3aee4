//! `/v1/workspaces/{ws}/members`: the people and machines of a workspace.

use axum::Router;

use crate::api::ApiState;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
}
