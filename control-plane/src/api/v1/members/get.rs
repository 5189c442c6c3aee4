//! `GET /v1/workspaces/{ws}/members/{member}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, MemberPath, NoQuery, Query};
use crate::api::problem::Problem;
use crate::api::wire::members::MemberBody;
use crate::api::{ApiState, answer};
use crate::lifecycle::MemberRef;

/// Read a member
#[utoipa::path(
    get, path = "/v1/workspaces/{ws}/members/{member}", operation_id = "get_member",
    responses((status = 200, body = MemberBody)),
)]
pub(super) async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    MemberPath(workspace, member): MemberPath,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let member = api.lifecycle.get_member(&caller.actor, MemberRef { workspace, member }).await?;
    Ok(answer::read(&headers, member.version, &MemberBody::from(&member)))
}
