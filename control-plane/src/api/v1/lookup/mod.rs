//! `POST /v1/keys/lookup`: the key that a secret belongs to.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use utoipa::OpenApi;

use crate::api::ApiState;
use crate::api::answer::{self, Answer};
use crate::api::extract::Question;
use crate::api::problem::Problem;
use crate::api::wire::lookup::{FoundBody, LookupKey};

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/", post(lookup))
}

/// Find the key of a secret
///
/// Whatever its state.
#[utoipa::path(
    post, path = "/v1/keys/lookup", operation_id = "lookup_key",
    request_body = LookupKey,
    responses((status = 200, body = FoundBody)),
)]
async fn lookup(
    State(api): State<ApiState>,
    Question { actor, body }: Question<LookupKey>,
) -> Result<Response, Problem> {
    let found = api.lifecycle.lookup(&actor, &body.into_input()?, api.clock.now()).await?;
    let answer = Answer::new(StatusCode::OK, &FoundBody::from(&found)).no_store();
    answer::stored(&answer.into_stored(), false)
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(lookup))]
pub(super) struct Operations;
