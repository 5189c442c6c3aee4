//! `POST /v1/workspaces/{ws}/keys/{key}/rotation/resume`: the old secret starts again, until its deadline.

use axum::response::Response;

use super::super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::ResumeRotation;

/// Resume the old secret
///
/// It starts again, until its deadline.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/{key}/rotation/resume", operation_id = "resume_rotation",
    request_body = OnlyReason,
    responses((status = 200, body = super::super::Changed)),
)]
pub(super) async fn resume(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    ready.run(ResumeRotation { target }, changed).await
}
