//! `POST /v1/workspaces`: makes a workspace and the machine member its keys belong to.

use axum::http::{StatusCode, header};
use axum::response::Response;

use crate::api::answer::Answer;
use crate::api::extract::Mutation;
use crate::api::problem::Problem;
use crate::api::wire::workspaces::{CreateWorkspace as Body, WorkspaceBody};
use crate::lifecycle::CreateWorkspace;

pub(super) async fn create(mutation: Mutation) -> Result<Response, Problem> {
    let (ready, body) = mutation.read::<Body>()?;
    ready
        .run(CreateWorkspace::from(body), |workspace, generation| {
            let body = WorkspaceBody::from(&workspace);
            Answer::resource(StatusCode::CREATED, &body, workspace.version, generation)
                .header(header::LOCATION, format!("/v1/workspaces/{}", workspace.id))
        })
        .await
}
