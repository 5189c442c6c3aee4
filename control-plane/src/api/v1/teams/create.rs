//! `POST /v1/workspaces/{ws}/teams`: makes a team.

use axum::http::{StatusCode, header};
use axum::response::Response;

use crate::api::answer::{Answer, WithGeneration};
use crate::api::extract::{Mutation, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::teams::{CreateTeam as Body, TeamBody};
use crate::lifecycle::CreateTeam;

/// Create a team
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/teams", operation_id = "create_team",
    request_body = Body,
    responses((status = 201, body = WithGeneration<TeamBody>)),
)]
pub(super) async fn create(WorkspacePath(workspace): WorkspacePath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, Body { name, external_id, .. }) = mutation.read::<Body>()?;
    let verb = CreateTeam { workspace, name, external_id };
    ready
        .run(verb, |team, generation| {
            let location = format!("/v1/workspaces/{}/teams/{}", team.workspace_id, team.id);
            Answer::resource(StatusCode::CREATED, &TeamBody::from(&team), team.version, generation)
                .header(header::LOCATION, location)
        })
        .await
}
