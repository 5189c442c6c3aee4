//! `POST /v1/workspaces/{ws}/keys/{key}/rotation/pause`: the old secret stops, to see who misses it.

use axum::response::Response;

use super::super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::PauseRotation;

/// Pause the old secret
///
/// To see who misses it.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/{key}/rotation/pause", operation_id = "pause_rotation",
    request_body = OnlyReason,
    responses((status = 200, body = super::super::Changed)),
)]
pub(super) async fn pause(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    ready.run(PauseRotation { target }, changed).await
}
