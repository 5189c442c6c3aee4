//! `DELETE /v1/workspaces/{ws}`: the workspace ends with its members and keys, once suspended.

use axum::response::Response;

use crate::api::answer::Answer;
use crate::api::extract::{Mutation, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::DeleteWorkspace;

pub(super) async fn delete(WorkspacePath(workspace): WorkspacePath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    let verb = DeleteWorkspace { workspace };
    ready.run(verb, |(), generation| Answer::gone(generation)).await
}
