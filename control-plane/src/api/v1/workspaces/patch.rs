//! `PATCH /v1/workspaces/{ws}`: changes what is named; `status` suspends and activates.

use axum::http::StatusCode;
use axum::response::Response;

use crate::api::answer::Answer;
use crate::api::extract::{Mutation, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::workspaces::{PatchWorkspace as Body, WorkspaceBody};
use crate::lifecycle::PatchWorkspace;

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
