//! `GET /v1/audit/checkpoints`: oldest first, around a range of time.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, Query};
use crate::api::problem::Problem;
use crate::api::wire::audit::{CheckpointBody, CheckpointListQuery};
use crate::api::wire::page::PageBody;
use crate::api::{ApiState, answer};

/// List checkpoints, oldest first
///
/// Those signed from one time up to another, with the one before them and the one behind them, so that every
/// moment between lies between two.
#[utoipa::path(
    get, path = "/v1/audit/checkpoints", operation_id = "list_audit_checkpoints",
    params(CheckpointListQuery),
    responses((status = 200, body = PageBody<CheckpointBody>)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Query(query): Query<CheckpointListQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (times, page) = query.into_input()?;
    let listed = api.lifecycle.list_checkpoints(&caller.actor, times, &page).await.map_err(Problem::of_query)?;
    Ok(answer::list(&headers, &PageBody::<CheckpointBody<'_>>::of(&listed)))
}
