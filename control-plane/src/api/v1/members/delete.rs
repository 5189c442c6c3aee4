//! `DELETE /v1/workspaces/{ws}/members/{member}`: the member goes with their keys and tokens, which
//! `?dry_run=true` tells beforehand.

use axum::response::Response;

use super::planned;
use crate::api::answer::Answer;
use crate::api::extract::{MemberPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::members::RemoveMember as Body;
use crate::api::wire::options::DryRunOption;
use crate::lifecycle::{MemberRef, RemoveMember};

/// Remove a member with their keys and tokens
#[utoipa::path(
    delete, path = "/v1/workspaces/{ws}/members/{member}", operation_id = "remove_member",
    params(DryRunOption),
    request_body = Body,
    responses((status = 200, body = crate::api::wire::schema::MemberRemoval)),
)]
pub(super) async fn delete(
    MemberPath(workspace, member): MemberPath,
    mutation: Mutation<DryRunOption>,
) -> Result<Response, Problem> {
    let is_dry_run = mutation.query().is_dry_run();
    let (ready, body) = mutation.read::<Body>()?;
    let verb = RemoveMember { target: MemberRef { workspace, member }, reassign: body.reassign.0 };
    if is_dry_run {
        return ready.preview(verb, |plan| planned(&plan)).await;
    }
    ready.run(verb, |_, generation| Answer::gone(generation)).await
}
