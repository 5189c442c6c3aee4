//! `DELETE /v1/workspaces/{ws}/members/{member}/tokens/{token}`: it opens nothing from now on.

use axum::response::Response;

use crate::api::answer::{Answer, OnlyGeneration};
use crate::api::extract::{Mutation, TokenPath};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::RevokeMemberToken;

/// Revoke a token
#[utoipa::path(
    delete, path = "/v1/workspaces/{ws}/members/{member}/tokens/{token}", operation_id = "revoke_token",
    responses((status = 200, body = OnlyGeneration)),
)]
pub(super) async fn revoke(
    TokenPath(workspace, member, token): TokenPath,
    mutation: Mutation,
) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    let verb = RevokeMemberToken { workspace, member, token };
    ready.run(verb, |(), generation| Answer::gone(generation)).await
}
