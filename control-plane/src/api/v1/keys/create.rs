//! `POST /v1/workspaces/{ws}/keys`: makes a key and shows its secret once, or brings one by its
//! digest.

use axum::http::{StatusCode, header};
use axum::response::Response;
use keyward_shared::api_key::ApiKey;
use serde::Serialize;

use crate::api::answer::Answer;
use crate::api::extract::{Mutation, WorkspacePath};
use crate::api::problem::Problem;
use crate::api::qr::QrSvg;
use crate::api::wire::key_body::KeyBody;
use crate::api::wire::keys::CreateKey as Body;
use crate::api::wire::options::QrOption;
use crate::domain::change::Generation;
use crate::lifecycle::{CreateKey, CreatedKey};

/// As the answers of rotate and reveal it holds a secret; `null` where a digest was brought.
#[derive(Serialize)]
struct Created<'a> {
    key: &'a KeyBody<'a>,
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qr_svg: Option<QrSvg>,
    generation: u64,
}

/// Create a key, or bring one by its digest
///
/// The secret is shown once.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys", operation_id = "create_key",
    request_body = Body,
    params(QrOption),
    responses((status = 201, body = crate::api::wire::schema::CreatedKey)),
)]
pub(super) async fn create(
    WorkspacePath(workspace): WorkspacePath,
    mutation: Mutation<QrOption>,
) -> Result<Response, Problem> {
    let qr = *mutation.query();
    let (ready, body) = mutation.read::<Body>()?;
    let (fields, source) = body.into_input()?;
    let verb = CreateKey { workspace, fields, source };
    ready.run(verb, move |made, generation| created(&made, qr, generation)).await
}

fn created(created: &CreatedKey, qr: QrOption, generation: Generation) -> Answer {
    let view = &created.key;
    let key = KeyBody::from(view);
    let secret = created.secret.as_ref();
    let body = Created {
        key: &key,
        secret: secret.map(ApiKey::expose),
        qr_svg: QrSvg::of(qr, secret),
        generation: generation.0,
    };
    let location = format!("/v1/workspaces/{}/keys/{}", view.key.workspace_id, view.key.id);
    Answer::new(StatusCode::CREATED, &body).tagged(view.key.version, &key).header(header::LOCATION, location).no_store()
}
