//! `GET /v1/workspaces/{ws}/keys`: filtered and sorted; without archived keys unless asked for.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, Query, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::key_body::KeyBody;
use crate::api::wire::key_list::KeyListQuery;
use crate::api::wire::page::PageBody;
use crate::api::{ApiState, answer};

/// List keys
///
/// Without archived keys unless asked for; then a workspace's last ten.
#[utoipa::path(
    get, path = "/v1/workspaces/{ws}/keys", operation_id = "list_keys",
    params(KeyListQuery),
    responses((status = 200, body = PageBody<KeyBody>)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    WorkspacePath(workspace): WorkspacePath,
    Query(query): Query<KeyListQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (input, page) = query.into_input()?;
    let listed = api
        .lifecycle
        .list_keys(&caller.actor, workspace, &input, &page, api.clock.now())
        .await
        .map_err(Problem::of_query)?;
    let body = PageBody::<KeyBody<'_>>::of(&listed);
    Ok(answer::list(&headers, &body))
}
