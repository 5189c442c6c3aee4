//! `GET /v1/workspaces/{ws}/members/{member}/tokens`: those that can be used, newest first, never their
//! texts.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, MemberPath, Query};
use crate::api::problem::Problem;
use crate::api::wire::page::{PageBody, PageQuery};
use crate::api::wire::tokens::TokenBody;
use crate::api::{ApiState, answer};

/// List a member's tokens
///
/// Those that can be used, newest first, never their texts.
#[utoipa::path(
    get, path = "/v1/workspaces/{ws}/members/{member}/tokens", operation_id = "list_tokens",
    params(PageQuery),
    responses((status = 200, body = PageBody<TokenBody>)),
)]
pub(super) async fn list(
    State(api): State<ApiState>,
    caller: Caller,
    MemberPath(workspace, member): MemberPath,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = query.into_page()?;
    let listed = api
        .lifecycle
        .list_tokens(&caller.actor, workspace, member, &page, api.clock.now())
        .await
        .map_err(Problem::of_query)?;
    let body = PageBody::<TokenBody<'_>>::of(&listed);
    Ok(answer::list(&headers, &body))
}
