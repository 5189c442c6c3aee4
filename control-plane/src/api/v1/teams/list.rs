//! `GET /v1/workspaces/{ws}/teams`: newest first, filtered.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, Query, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::page::PageBody;
use crate::api::wire::teams::{TeamBody, TeamListQuery};
use crate::api::{ApiState, answer};

/// List teams, newest first
#[utoipa::path(
    get, path = "/v1/workspaces/{ws}/teams", operation_id = "list_teams",
    params(TeamListQuery),
    responses((status = 200, body = PageBody<TeamBody>)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    WorkspacePath(workspace): WorkspacePath,
    Query(query): Query<TeamListQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (input, page) = query.into_input()?;
    let listed = api.lifecycle.list_teams(&caller.actor, workspace, &input, &page).await.map_err(Problem::of_query)?;
    Ok(answer::list(&headers, &PageBody::<TeamBody<'_>>::of(&listed)))
}
