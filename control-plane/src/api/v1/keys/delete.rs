//! `DELETE /v1/workspaces/{ws}/keys/{key}`: the key ends; only the audit log remembers it.

use axum::response::Response;

use crate::api::answer::{Answer, OnlyGeneration};
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::DeleteKey;

/// Delete a key
///
/// Only the audit log remembers it.
#[utoipa::path(
    delete, path = "/v1/workspaces/{ws}/keys/{key}", operation_id = "delete_key",
    responses((status = 200, body = OnlyGeneration)),
)]
pub(super) async fn delete(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    let verb = DeleteKey { target };
    ready.run(verb, |(), generation| Answer::gone(generation)).await
}
