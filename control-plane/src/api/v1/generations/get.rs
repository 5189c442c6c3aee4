//! `GET /v1/generations/{g}`: the receipt of a change.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, GenerationPath, NoQuery, Query};
use crate::api::problem::Problem;
use crate::api::wire::generations::GenerationBody;
use crate::api::{ApiState, answer};

/// Where a generation has arrived
///
/// When it was committed and published, which edges judge by it, and when none can any more judge by an older
/// one. Kept for 90 days.
#[utoipa::path(
    get, path = "/v1/generations/{generation}", operation_id = "get_generation",
    responses((status = 200, body = GenerationBody)),
)]
pub(super) async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    GenerationPath(generation): GenerationPath,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let receipt = api.lifecycle.get_generation(&caller.actor, generation, api.clock.now()).await?;
    Ok(answer::list(&headers, &GenerationBody::from(receipt)))
}
