//! `GET /v1/workspaces/{ws}/members/{member}/tokens/{token}`: never its text.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, NoQuery, Query, TokenPath};
use crate::api::problem::Problem;
use crate::api::wire::tokens::TokenBody;
use crate::api::{ApiState, answer};
use crate::domain::token::TOKEN_VERSION;

/// Read a token
///
/// Never its text.
#[utoipa::path(
    get, path = "/v1/workspaces/{ws}/members/{member}/tokens/{token}", operation_id = "get_token",
    responses((status = 200, body = TokenBody)),
)]
pub(super) async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    TokenPath(workspace, member, token): TokenPath,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let token = api.lifecycle.get_token(&caller.actor, workspace, member, token, api.clock.now()).await?;
    Ok(answer::read(&headers, TOKEN_VERSION, &TokenBody::from(&token)))
}
