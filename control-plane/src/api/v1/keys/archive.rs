//! `POST /v1/workspaces/{ws}/keys/{key}/archive`: the key stops for good and stays readable.

use axum::response::Response;

use super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::ArchiveKey;

pub(super) async fn archive(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    ready.run(ArchiveKey { target }, changed).await
}
