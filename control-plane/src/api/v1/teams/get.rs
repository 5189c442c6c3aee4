//! `GET /v1/workspaces/{ws}/teams/{team}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, NoQuery, Query, TeamPath};
use crate::api::problem::Problem;
use crate::api::wire::teams::TeamBody;
use crate::api::{ApiState, answer};
use crate::lifecycle::TeamRef;

/// Read a team
#[utoipa::path(
    get, path = "/v1/workspaces/{ws}/teams/{team}", operation_id = "get_team",
    responses((status = 200, body = TeamBody)),
)]
pub(super) async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    TeamPath(workspace, team): TeamPath,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let team = api.lifecycle.get_team(&caller.actor, TeamRef { workspace, team }).await?;
    Ok(answer::read(&headers, team.version, &TeamBody::from(&team)))
}
