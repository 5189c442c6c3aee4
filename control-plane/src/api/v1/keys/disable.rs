//! `POST /v1/workspaces/{ws}/keys/{key}/disable`: both secrets stop, reversibly.

use axum::response::Response;

use super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::DisableKey;

/// Disable a key
///
/// Both secrets stop, reversibly.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/{key}/disable", operation_id = "disable_key",
    request_body = OnlyReason,
    responses((status = 200, body = super::Changed)),
)]
pub(super) async fn disable(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    ready.run(DisableKey { target }, changed).await
}
