//! `GET /v1/workspaces/{ws}/keys/{key}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, KeyPath, NoQuery, Query};
use crate::api::problem::Problem;
use crate::api::wire::key_body::KeyBody;
use crate::api::{ApiState, answer};

/// Read a key
#[utoipa::path(
    get, path = "/v1/workspaces/{ws}/keys/{key}", operation_id = "get_key",
    responses((status = 200, body = KeyBody)),
)]
pub(super) async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    KeyPath(target): KeyPath,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = api.lifecycle.get_key(&caller.actor, target, api.clock.now()).await?;
    let body = KeyBody::from(&view);
    Ok(answer::read(&headers, view.key.version, &body))
}
