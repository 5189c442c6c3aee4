//! `GET /v1/audit/checkpoint`: the log as it is, signed.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, NoQuery, Query};
use crate::api::problem::Problem;
use crate::api::wire::schema;
use crate::api::{ApiState, answer};

/// Read the newest checkpoint
///
/// The size and the root of the log's tree as a signed note (C2SP tlog-checkpoint).
#[utoipa::path(
    get, path = "/v1/audit/checkpoint", operation_id = "get_audit_checkpoint",
    responses((status = 200, body = schema::Note, content_type = "text/plain")),
)]
pub(super) async fn newest(
    State(api): State<ApiState>,
    caller: Caller,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let checkpoint = api.lifecycle.newest_checkpoint(&caller.actor, api.clock.now()).await?;
    Ok(answer::text(&headers, &checkpoint.note))
}
