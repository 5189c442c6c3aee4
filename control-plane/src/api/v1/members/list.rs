//! `GET /v1/workspaces/{ws}/members`: newest first, filtered.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, Query, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::members::{MemberBody, MemberListQuery};
use crate::api::wire::page::PageBody;
use crate::api::{ApiState, answer};

/// List members, newest first
#[utoipa::path(
    get, path = "/v1/workspaces/{ws}/members", operation_id = "list_members",
    params(MemberListQuery),
    responses((status = 200, body = PageBody<MemberBody>)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    WorkspacePath(workspace): WorkspacePath,
    Query(query): Query<MemberListQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (input, page) = query.into_input()?;
    let listed =
        api.lifecycle.list_members(&caller.actor, workspace, &input, &page).await.map_err(Problem::of_query)?;
    Ok(answer::list(&headers, &PageBody::<MemberBody<'_>>::of(&listed)))
}
