//! `DELETE /v1/workspaces/{ws}`: the workspace ends with its members and keys, once suspended.

use axum::response::Response;

use crate::api::answer::{Answer, OnlyGeneration};
use crate::api::extract::{Mutation, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::DeleteWorkspace;

/// Delete a workspace that is suspended
///
/// Its members, keys and tokens end with it.
#[utoipa::path(
    delete, path = "/v1/workspaces/{ws}", operation_id = "delete_workspace",
    responses((status = 200, body = OnlyGeneration)),
)]
pub(super) async fn delete(WorkspacePath(workspace): WorkspacePath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    let verb = DeleteWorkspace { workspace };
    ready.run(verb, |(), generation| Answer::gone(generation)).await
}
