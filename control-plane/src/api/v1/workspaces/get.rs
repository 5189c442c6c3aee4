//! `GET /v1/workspaces/{ws}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, NoQuery, Query, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::workspaces::WorkspaceBody;
use crate::api::{ApiState, answer};

/// Read a workspace
#[utoipa::path(
    get, path = "/v1/workspaces/{ws}", operation_id = "get_workspace",
    responses((status = 200, body = WorkspaceBody)),
)]
pub(super) async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    WorkspacePath(id): WorkspacePath,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let workspace = api.lifecycle.get_workspace(&caller.actor, id).await?;
    let body = WorkspaceBody::from(&workspace);
    Ok(answer::read(&headers, workspace.version, &body))
}
