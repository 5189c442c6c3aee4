//! `POST /v1/audit/export`: the file by mail, attached or as a link.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::api::ApiState;
use crate::api::answer::Answer;
use crate::api::extract::Mutation;
use crate::api::problem::{Code, Problem};
use crate::api::wire::exports::{MailExport as Body, MailedBody};

/// Mail an export of the audit log
///
/// It is sent soon after, and tried again for some hours where the server does not take it. A large one is
/// fetched by a link, which whoever has it can open for 24 hours.
#[utoipa::path(
    post, path = "/v1/audit/export", operation_id = "mail_audit_log",
    request_body = Body,
    responses((status = 202, body = MailedBody)),
)]
pub(super) async fn mail(State(api): State<ApiState>, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, body) = mutation.read::<Body>()?;
    let verb = body.into_verb()?;
    if api.mailed_dir.is_none() {
        return Err(Problem::new(Code::MailNotConfigured));
    }
    ready
        .run(verb, |export, generation| {
            Answer::new(StatusCode::ACCEPTED, &MailedBody { id: &export.id, generation: generation.0 })
        })
        .await
}
