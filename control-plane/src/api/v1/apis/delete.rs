//! `DELETE /v1/apis/{api}`: its routes go; keys that name it lead nowhere with that name.

use axum::response::Response;

use crate::api::answer::{Answer, OnlyGeneration};
use crate::api::extract::{ApiPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::OnlyReason;
use crate::lifecycle::DeleteApi;

/// Delete an API
///
/// Its routes go; keys that name it lead nowhere with that name.
#[utoipa::path(
    delete, path = "/v1/apis/{api}", operation_id = "delete_api",
    responses((status = 200, body = OnlyGeneration)),
)]
pub(super) async fn delete(ApiPath(name): ApiPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, OnlyReason { .. }) = mutation.read()?;
    let verb = DeleteApi { name };
    ready.run(verb, |(), generation| Answer::gone(generation)).await
}
