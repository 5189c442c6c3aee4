//! `DELETE /v1/workspaces/{ws}/teams/{team}`: the team ends; its keys and members stay.

use axum::response::Response;

use crate::api::answer::{Answer, OnlyGeneration};
use crate::api::extract::{Mutation, TeamPath};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::{DeleteTeam, TeamRef};

/// Delete a team
///
/// Its keys and members stay.
#[utoipa::path(
    delete, path = "/v1/workspaces/{ws}/teams/{team}", operation_id = "delete_team",
    responses((status = 200, body = OnlyGeneration)),
)]
pub(super) async fn delete(TeamPath(workspace, team): TeamPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    let verb = DeleteTeam { target: TeamRef { workspace, team } };
    ready.run(verb, |(), generation| Answer::gone(generation)).await
}
