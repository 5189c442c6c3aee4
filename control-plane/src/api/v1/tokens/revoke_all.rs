//! `DELETE /v1/workspaces/{ws}/members/{member}/tokens`: none of them opens anything from now on.

use axum::response::Response;

use crate::api::answer::{Answer, OnlyGeneration};
use crate::api::extract::{MemberPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::RevokeMemberTokens;

/// Revoke all of a member's tokens
#[utoipa::path(
    delete, path = "/v1/workspaces/{ws}/members/{member}/tokens", operation_id = "revoke_tokens",
    responses((status = 200, body = OnlyGeneration)),
)]
pub(super) async fn revoke_all(
    MemberPath(workspace, member): MemberPath,
    mutation: Mutation,
) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    let verb = RevokeMemberTokens { workspace, member };
    ready.run(verb, |(), generation| Answer::gone(generation)).await
}
