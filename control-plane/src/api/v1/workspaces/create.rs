//! `POST /v1/workspaces`: makes a workspace and the machine member its keys belong to.

use axum::http::{StatusCode, header};
use axum::response::Response;

use crate::api::answer::{Answer, WithGeneration};
use crate::api::extract::Mutation;
use crate::api::problem::Problem;
use crate::api::wire::workspaces::{CreateWorkspace as Body, WorkspaceBody};
use crate::lifecycle::CreateWorkspace;

/// Create a workspace
///
/// With it comes the machine member that keys belong to which name none.
#[utoipa::path(
    post, path = "/v1/workspaces", operation_id = "create_workspace",
    request_body = Body,
    responses((status = 201, body = WithGeneration<WorkspaceBody>)),
)]
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
