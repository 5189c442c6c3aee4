//! `DELETE /v1/workspaces/{ws}/keys/{key}`: the key ends; only the audit log remembers it.

use axum::response::Response;

use crate::api::answer::Answer;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::DeleteKey;

pub(super) async fn delete(KeyPath(target): KeyPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    let verb = DeleteKey { target };
    ready.run(verb, |(), generation| Answer::gone(generation)).await
}
