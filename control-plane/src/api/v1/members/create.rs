//! `POST /v1/workspaces/{ws}/members`: adds a member.

use axum::http::{StatusCode, header};
use axum::response::Response;

use crate::api::answer::{Answer, WithGeneration};
use crate::api::extract::{Mutation, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::wire::members::{CreateMember as Body, MemberBody};
use crate::lifecycle::CreateMember;

/// Add a member
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/members", operation_id = "create_member",
    request_body = Body,
    responses((status = 201, body = WithGeneration<MemberBody>)),
)]
pub(super) async fn create(WorkspacePath(workspace): WorkspacePath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, body) = mutation.read::<Body>()?;
    let verb = CreateMember { workspace, fields: body.into() };
    ready
        .run(verb, |member, generation| {
            let location = format!("/v1/workspaces/{}/members/{}", member.workspace_id, member.id);
            let body = MemberBody::from(&member);
            Answer::resource(StatusCode::CREATED, &body, member.version, generation).header(header::LOCATION, location)
        })
        .await
}
