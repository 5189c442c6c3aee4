//! `POST /v1/workspaces/{ws}/keys/{key}/rotate`: a new secret, shown once; the old one stays for
//! the grace period.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::api::answer::Answer;
use crate::api::extract::{KeyPath, Mutation};
use crate::api::problem::Problem;
use crate::api::qr::QrSvg;
use crate::api::wire::key_body::KeyBody;
use crate::api::wire::keys::RotateKey as Body;
use crate::api::wire::options::QrOption;
use crate::domain::change::Generation;
use crate::domain::time::UnixSeconds;
use crate::lifecycle::{RotateKey, RotatedKey};

#[derive(Serialize)]
struct Rotated<'a> {
    key: &'a KeyBody<'a>,
    secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    qr_svg: Option<QrSvg>,
    previous_valid_until: Option<UnixSeconds>,
    generation: u64,
}

/// Rotate or regenerate a key
///
/// The new secret is shown once; the old one stays for the grace period, 0 ends every older one at once.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/keys/{key}/rotate", operation_id = "rotate_key",
    request_body = Body,
    params(QrOption),
    responses((status = 200, body = crate::api::wire::schema::RotatedKey)),
)]
pub(super) async fn rotate(KeyPath(target): KeyPath, mutation: Mutation<QrOption>) -> Result<Response, Problem> {
    let qr = *mutation.query();
    let (ready, body) = mutation.read::<Body>()?;
    let verb = RotateKey { target, grace_seconds: body.grace_seconds };
    ready.run(verb, move |done, generation| rotated(&done, qr, generation)).await
}

fn rotated(rotated: &RotatedKey, qr: QrOption, generation: Generation) -> Answer {
    let key = KeyBody::from(&rotated.key);
    let body = Rotated {
        key: &key,
        secret: rotated.secret.expose(),
        qr_svg: QrSvg::of(qr, Some(&rotated.secret)),
        previous_valid_until: rotated.previous_valid_until,
        generation: generation.0,
    };
    Answer::new(StatusCode::OK, &body).tagged(rotated.key.key.version, &key).no_store()
}
