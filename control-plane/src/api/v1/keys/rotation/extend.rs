//! `POST /v1/workspaces/{ws}/keys/{key}/rotation/extend`: moves the old secret's deadline.

use axum::response::Response;

use super::super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::keys::ExtendRotation as Body;
use crate::lifecycle::ExtendRotation;

/// Move the old secret's deadline
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/{key}/rotation/extend", operation_id = "extend_rotation",
    request_body = Body,
    responses((status = 200, body = super::super::Changed)),
)]
pub(super) async fn extend(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, body) = mutation.read::<Body>()?;
    let to = body.into_target()?;
    ready.run(ExtendRotation { target, to }, changed).await
}
