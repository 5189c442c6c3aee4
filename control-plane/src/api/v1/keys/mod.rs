//! `/v1/workspaces/{ws}/keys`: the life of keys.

mod archive;
mod create;
mod delete;
mod disable;
mod enable;
mod get;
mod list;
mod patch;
mod reveal;
mod rotate;
pub(super) mod rotation;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::api::ApiState;
use crate::api::answer::Answer;
use crate::api::wire::key_body::KeyBody;
use crate::domain::change::Generation;
use crate::lifecycle::KeyView;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/", get(list::list).post(create::create))
        .route("/{key}", get(get::get).patch(patch::patch).delete(delete::delete))
        .route("/{key}/rotate", post(rotate::rotate))
        .nest("/{key}/rotation", rotation::router())
        .route("/{key}/disable", post(disable::disable))
        .route("/{key}/enable", post(enable::enable))
        .route("/{key}/archive", post(archive::archive))
        .route("/{key}/reveal", post(reveal::reveal))
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    list::list,
    create::create,
    get::get,
    patch::patch,
    delete::delete,
    rotate::rotate,
    disable::disable,
    enable::enable,
    archive::archive,
    reveal::reveal,
))]
pub(in crate::api::v1) struct Operations;

/// What a change of a key answers.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangedKey)]
struct Changed<'a> {
    key: &'a KeyBody<'a>,
    generation: u64,
}

/// The answer of the verbs that change a key and show no secret.
#[expect(clippy::needless_pass_by_value, reason = "this is what the mutation hands over")]
fn changed(view: KeyView, generation: Generation) -> Answer {
    let key = KeyBody::from(&view);
    let body = Changed { key: &key, generation: generation.0 };
    Answer::new(StatusCode::OK, &body).tagged(view.key.version, &key)
}
