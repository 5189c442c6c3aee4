//! `GET /v1/edges/refusals`: who was refused most, summed over all edges.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, Query};
use crate::api::problem::Problem;
use crate::api::wire::refused::{RefusedPageBody, RefusedQuery};
use crate::api::{ApiState, answer};

/// List who was refused most
///
/// By key and reason, or by client address, on some days (`from` up to `to`), as edges reported it. Of a day the 1,000
/// refused most are kept of each, for 30 days: for every entry `count - error` is too little or right, and `count` with
/// `uncounted` too much or right. A key is named by its fingerprint, and nothing else of it is known. Sums rise while
/// they are paged through.
#[utoipa::path(
    get, path = "/v1/edges/refusals", operation_id = "list_refusals",
    params(RefusedQuery),
    responses((status = 200, body = RefusedPageBody)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Query(query): Query<RefusedQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (input, page) = query.into_input()?;
    let now = api.clock.now();
    let told = api.lifecycle.list_refused(&caller.actor, input, &page, now).await.map_err(Problem::of_query)?;
    Ok(answer::list(&headers, &RefusedPageBody::from(&told)))
}
