//! `GET /v1/audit/events`: newest first, filtered.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, Filtered};
use crate::api::problem::Problem;
use crate::api::wire::audit::{EventBody, FilterQuery};
use crate::api::wire::page::{PageBody, PageQuery};
use crate::api::{ApiState, answer};

/// List events, newest first
///
/// Those that meet all conditions. A member is told of the own workspace's alone.
#[utoipa::path(
    get, path = "/v1/audit/events", operation_id = "list_audit_events",
    params(FilterQuery, PageQuery),
    responses((status = 200, body = PageBody<EventBody>)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Filtered { filter, rest }: Filtered<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (filter, page) = (filter.into_filter()?, rest.into_page()?);
    let listed = api.lifecycle.list_events(&caller.actor, filter, &page).await.map_err(Problem::of_query)?;
    Ok(answer::list(&headers, &PageBody::<EventBody<'_>>::of(&listed)))
}
