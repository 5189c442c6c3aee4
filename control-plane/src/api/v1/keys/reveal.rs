//! `POST /v1/workspaces/{ws}/keys/{key}/reveal`: the current secret once more, where it is kept sealed.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::api::answer::Answer;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::qr::QrSvg;
use crate::api::wire::OnlyReason;
use crate::api::wire::key_body::KeyBody;
use crate::api::wire::options::QrOption;
use crate::domain::change::Generation;
use crate::lifecycle::{RevealKey, RevealedKey};

#[derive(Serialize)]
struct Revealed<'a> {
    key: &'a KeyBody<'a>,
    secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    qr_svg: Option<QrSvg>,
    generation: u64,
}

/// Show a key's secret again
///
/// Where the workspace keeps secrets sealed.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/{key}/reveal", operation_id = "reveal_key",
    params(QrOption), request_body = OnlyReason,
    responses((status = 200, body = crate::api::wire::schema::RevealedKey)),
)]
pub(super) async fn reveal(KeyPath(target): KeyPath, mutation: Mutation<QrOption>) -> Result<Response, Problem> {
    let qr = *mutation.query();
    let (ready, OnlyReason { .. }) = mutation.read()?;
    ready.run(RevealKey { target }, move |shown, generation| revealed(&shown, qr, generation)).await
}

fn revealed(revealed: &RevealedKey, qr: QrOption, generation: Generation) -> Answer {
    let key = KeyBody::from(&revealed.key);
    let body = Revealed {
        key: &key,
        secret: revealed.secret.expose(),
        qr_svg: QrSvg::of(qr, Some(&revealed.secret)),
        generation: generation.0,
    };
    Answer::new(StatusCode::OK, &body).tagged(revealed.key.key.version, &key).no_store()
}
