//! `GET /v1/snapshot`: how far publishing has come.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, NoQuery, Query};
use crate::api::problem::{Code, Problem};
use crate::api::snapshot::SnapshotStatus;
use crate::api::{ApiState, answer};
use crate::domain::permission::Permission;
use crate::lifecycle::Needs;

/// How far publishing has come
#[utoipa::path(
    get, path = "/v1/snapshot", operation_id = "get_snapshot",
    responses((status = 200, body = SnapshotStatus)),
)]
pub(super) async fn status(
    State(api): State<ApiState>,
    caller: Caller,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    api.lifecycle.admit(&caller.actor, Needs::Deployment(Permission::SnapshotRead)).await?;
    let status = api.snapshot.status().await.map_err(|error| Problem::new(Code::Unavailable).caused_by(error))?;
    Ok(answer::list(&headers, &status))
}
