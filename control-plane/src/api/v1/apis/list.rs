//! `GET /v1/apis`: all of them; the catalogue is small.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, Query};
use crate::api::problem::{Code, Problem};
use crate::api::wire::apis::ApiBody;
use crate::api::wire::page::{PageBody, PageQuery};
use crate::api::{ApiState, answer};
use crate::domain::limits::PAGE_MAX;
use crate::lifecycle::Listed;

/// List the APIs of the catalogue
///
/// All of them on one page: `next_cursor` is always `null`.
#[utoipa::path(
    get, path = "/v1/apis", operation_id = "list_apis",
    params(PageQuery),
    responses((status = 200, body = PageBody<ApiBody>)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = query.into_page()?;
    // Nothing ever answered a cursor here: the page holds as many as a catalogue may.
    if page.cursor.is_some() || page.limit.is_some_and(|limit| !(1..=u64::from(PAGE_MAX)).contains(&limit)) {
        let field = if page.cursor.is_some() { "cursor" } else { "limit" };
        return Err(Problem::new(Code::BadParameter).field(field));
    }
    let listed = Listed { items: api.lifecycle.list_apis(&caller.actor).await?, next_cursor: None };
    let body = PageBody::<ApiBody<'_>>::of(&listed);
    Ok(answer::list(&headers, &body))
}
