//! `POST /v1/workspaces/{ws}/keys/{key}/enable`: both secrets start again, with their deadlines.

use axum::response::Response;

use super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::EnableKey;

/// Enable a key
///
/// Both secrets start again, with their deadlines.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/{key}/enable", operation_id = "enable_key",
    request_body = OnlyReason,
    responses((status = 200, body = super::Changed)),
)]
pub(super) async fn enable(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    ready.run(EnableKey { target }, changed).await
}
