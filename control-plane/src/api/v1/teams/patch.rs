//! `PATCH /v1/workspaces/{ws}/teams/{team}`: changes what is named.

use axum::http::StatusCode;
use axum::response::Response;

use crate::api::answer::{Answer, WithGeneration};
use crate::api::extract::{Mutation, TeamPath};
use crate::api::problem::Problem;
use crate::api::wire::teams::{PatchTeam as Body, TeamBody};
use crate::domain::edit::Edit;
use crate::lifecycle::{PatchTeam, TeamRef};

/// Edit a team
///
/// What is absent stays, `null` clears.
#[utoipa::path(
    patch, path = "/v1/workspaces/{ws}/teams/{team}", operation_id = "edit_team",
    request_body = Body,
    responses((status = 200, body = WithGeneration<TeamBody>)),
)]
pub(super) async fn patch(TeamPath(workspace, team): TeamPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, Body { name, external_id, .. }) = mutation.read::<Body>()?;
    let target = TeamRef { workspace, team };
    let verb = PatchTeam { target, name, external_id: Edit::from_nested(external_id) };
    ready
        .run(verb, |team, generation| {
            Answer::resource(StatusCode::OK, &TeamBody::from(&team), team.version, generation)
        })
        .await
}
