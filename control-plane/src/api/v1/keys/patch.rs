//! `PATCH /v1/workspaces/{ws}/keys/{key}`: changes what is named and nothing else.

use axum::response::Response;

use super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::keys::PatchKey as Body;
use crate::lifecycle::PatchKey;

/// Edit a key
///
/// What is absent stays, `null` clears.
#[utoipa::path(
    patch, path = "/v1/workspaces/{ws}/keys/{key}", operation_id = "edit_key",
    request_body = Body,
    responses((status = 200, body = super::Changed)),
)]
pub(super) async fn patch(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, body) = mutation.read::<Body>()?;
    let patch = body.into_patch()?;
    ready.run(PatchKey { target, patch }, changed).await
}
