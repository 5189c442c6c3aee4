//! `PATCH /v1/workspaces/{ws}`: changes what is named; `status` suspends and activates.

use axum::http::StatusCode;
use axum::response::Response;

use crate::api::answer::{Answer, WithGeneration};
use crate::api::extract::{Mutation, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::workspaces::{PatchWorkspace as Body, WorkspaceBody};
use crate::lifecycle::PatchWorkspace;

/// Edit, suspend or activate a workspace
///
/// What is absent stays, `null` clears. While a workspace is suspended, none of its keys is accepted.
#[utoipa::path(
    patch, path = "/v1/workspaces/{ws}", operation_id = "edit_workspace",
    request_body = Body,
    responses((status = 200, body = WithGeneration<WorkspaceBody>)),
)]
pub(super) async fn patch(WorkspacePath(workspace): WorkspacePath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, body) = mutation.read::<Body>()?;
    let verb = PatchWorkspace { workspace, fields: body.into() };
    ready
        .run(verb, |workspace, generation| {
            let body = WorkspaceBody::from(&workspace);
            Answer::resource(StatusCode::OK, &body, workspace.version, generation)
        })
        .await
}
