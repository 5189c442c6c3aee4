//! `GET /v1/workspaces`: newest first.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, Query};
use crate::api::problem::Problem;
use crate::api::wire::page::{PageBody, PageQuery};
use crate::api::wire::workspaces::WorkspaceBody;
use crate::api::{ApiState, answer};

/// List workspaces, newest first
#[utoipa::path(
    get, path = "/v1/workspaces", operation_id = "list_workspaces",
    params(PageQuery),
    responses((status = 200, body = PageBody<WorkspaceBody>)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = query.into_page()?;
    let listed = api.lifecycle.list_workspaces(&caller.actor, &page).await.map_err(Problem::of_query)?;
    let body = PageBody::<WorkspaceBody<'_>>::of(&listed);
    Ok(answer::list(&headers, &body))
}
