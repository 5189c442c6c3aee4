//! `GET /v1/edges`: the edges heard from, the one last heard from first.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, Query};
use crate::api::problem::Problem;
use crate::api::wire::edges::EdgeBody;
use crate::api::wire::page::{PageBody, PageQuery};
use crate::api::{ApiState, answer};

/// List the edges heard from in the last 24 hours
///
/// Each is one isolate of the Worker; of one place there can be many. The one last heard from comes first.
#[utoipa::path(
    get, path = "/v1/edges", operation_id = "list_edges",
    params(PageQuery),
    responses((status = 200, body = PageBody<EdgeBody>)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = query.into_page()?;
    let now = api.clock.now();
    let listed = api.lifecycle.list_edges(&caller.actor, &page, now).await.map_err(Problem::of_query)?;
    let listed = listed.map(|edge| EdgeBody::new(edge, now));
    Ok(answer::list(&headers, &PageBody { items: listed.items, next_cursor: listed.next_cursor }))
}
