//! `POST /v1/workspaces/{ws}/keys/{key}/rotation/cancel`: back to the old secret; the new one ends.

use axum::response::Response;

use super::super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::CancelRotation;

/// Cancel a rotation
///
/// Back to the old secret; the new one ends.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/{key}/rotation/cancel", operation_id = "cancel_rotation",
    request_body = OnlyReason,
    responses((status = 200, body = super::super::Changed)),
)]
pub(super) async fn cancel(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    ready.run(CancelRotation { target }, changed).await
}
