//! `POST /v1/workspaces/{ws}/keys/{key}/disable`: both secrets stop, reversibly.

use axum::response::Response;

use super::changed;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::DisableKey;

pub(super) async fn disable(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    ready.run(DisableKey { target }, changed).await
}
