//! `PATCH /v1/settings`: changes what is named; every edge follows.

use axum::http::StatusCode;
use axum::response::Response;

use crate::api::answer::{Answer, WithGeneration};
use crate::api::extract::Mutation;
use crate::api::problem::Problem;
use crate::api::wire::settings::{PatchSettings as Body, SettingsBody};
use crate::lifecycle::PatchSettings;

/// Edit the settings
///
/// What is absent stays. Every edge follows.
#[utoipa::path(
    patch, path = "/v1/settings", operation_id = "edit_settings",
    request_body = Body,
    responses((status = 200, body = WithGeneration<SettingsBody>)),
)]
pub(super) async fn patch(mutation: Mutation) -> Result<Response, Problem> {
    let (ready, body) = mutation.read::<Body>()?;
    let edit = body.into_edit()?;
    ready
        .run(PatchSettings { edit }, |document, generation| {
            let body = SettingsBody::from(&document);
            Answer::resource(StatusCode::OK, &body, document.version, generation)
        })
        .await
        // Clients send the header inside the list, so that is the member to name.
        .map_err(|problem| match problem.field_name() {
            Some("accept.header") => problem.field("accept"),
            _ => problem,
        })
}
