//! `POST /v1/explain`: why a request was or would be judged so.

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
use crate::api::wire::explain::{Explain, ExplanationBody, ToExplain};

pub(super) fn router() -> Router<ApiState> {
    Router::new().route("/", post(explain))
}

/// Explain a verdict
///
/// A request that is described is judged as an edge would now. Of one that an edge has refused, `request_id` alone
/// tells why and when, where the edge told of it. It never repeats a secret.
#[utoipa::path(
    post, path = "/v1/explain", operation_id = "explain",
    request_body = Explain,
    responses((status = 200, body = ExplanationBody)),
)]
async fn explain(
    State(api): State<ApiState>,
    Question { actor, body }: Question<Explain>,
) -> Result<Response, Problem> {
    let explanation = match body.into_input()? {
        ToExplain::Answered(id) => api.lifecycle.explain_answered(&actor, id, api.clock.now()).await?,
        ToExplain::Asked(asked) => api.lifecycle.explain(&actor, &asked, api.clock.now()).await?,
    };
    let answer = Answer::new(StatusCode::OK, &ExplanationBody::from(&explanation)).no_store();
    answer::stored(&answer.into_stored(), false)
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(explain))]
pub(super) struct Operations;
