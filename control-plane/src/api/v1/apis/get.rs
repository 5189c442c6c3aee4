//! `GET /v1/apis/{api}`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{ApiPath, Caller, NoQuery, Query};
use crate::api::problem::Problem;
use crate::api::wire::apis::ApiBody;
use crate::api::{ApiState, answer};

/// Read an API
#[utoipa::path(
    get, path = "/v1/apis/{api}", operation_id = "get_api",
    responses((status = 200, body = ApiBody)),
)]
pub(super) async fn get(
    State(state): State<ApiState>,
    caller: Caller,
    ApiPath(name): ApiPath,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let api = state.lifecycle.get_api(&caller.actor, &name).await?;
    Ok(answer::read(&headers, api.version, &ApiBody::from(&api)))
}
