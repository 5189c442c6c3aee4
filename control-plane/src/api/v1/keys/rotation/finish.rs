//! `POST /v1/workspaces/{ws}/keys/{key}/rotation/finish`: the old secret ends now.

use axum::response::Response;

use super::super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::FinishRotation;

/// Finish a rotation
///
/// The old secret ends now.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/{key}/rotation/finish", operation_id = "finish_rotation",
    request_body = OnlyReason,
    responses((status = 200, body = super::super::Changed)),
)]
pub(super) async fn finish(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    ready.run(FinishRotation { target }, changed).await
}
