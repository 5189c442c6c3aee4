//! `POST /v1/workspaces/{ws}/keys/{key}/archive`: the key stops for good and stays readable.

use axum::response::Response;

use super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::ArchiveKey;

/// Archive a key
///
/// It stops for good and stays readable.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/{key}/archive", operation_id = "archive_key",
    request_body = OnlyReason,
    responses((status = 200, body = super::Changed)),
)]
pub(super) async fn archive(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    ready.run(ArchiveKey { target }, changed).await
}
