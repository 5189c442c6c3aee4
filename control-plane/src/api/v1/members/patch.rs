//! `PATCH /v1/workspaces/{ws}/members/{member}`: changes what is named; another role may end keys, which
//! `?dry_run=true` tells beforehand.

use axum::http::StatusCode;
use axum::response::Response;

use super::planned;
use crate::api::answer::Answer;
use crate::api::extract::{MemberPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::members::{MemberBody, PatchMember as Body};
use crate::api::wire::options::DryRunOption;
use crate::lifecycle::{MemberRef, PatchMember};

/// Edit a member
///
/// What is absent stays, `null` clears. Another role may end keys, which `dry_run` tells beforehand.
#[utoipa::path(
    patch, path = "/v1/workspaces/{ws}/members/{member}", operation_id = "edit_member",
    params(DryRunOption),
    request_body = Body,
    responses((status = 200, body = crate::api::wire::schema::MemberChange)),
)]
pub(super) async fn patch(
    MemberPath(workspace, member): MemberPath,
    mutation: Mutation<DryRunOption>,
) -> Result<Response, Problem> {
    let is_dry_run = mutation.query().is_dry_run();
    let (ready, body) = mutation.read::<Body>()?;
    let (patch, reassign) = body.into_input();
    let verb = PatchMember { target: MemberRef { workspace, member }, patch, reassign };
    if is_dry_run {
        return ready.preview(verb, |changed| planned(&changed.plan)).await;
    }
    ready
        .run(verb, |changed, generation| {
            let body = MemberBody::from(&changed.member);
            Answer::resource(StatusCode::OK, &body, changed.member.version, generation)
        })
        .await
}
