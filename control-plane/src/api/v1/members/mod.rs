//! `/v1/workspaces/{ws}/members`: the people and machines of a workspace.

mod create;
mod delete;
mod get;
mod list;
mod patch;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use utoipa::OpenApi;

use crate::api::ApiState;
use crate::api::answer::Answer;
use crate::api::etag::Tag;
use crate::api::wire::members::PlanBody;
use crate::lifecycle::Plan;

pub(super) fn router() -> Router<ApiState> {
    Router::new()
        .route("/", get(list::list).post(create::create))
        .route("/{member}", get(get::get).patch(patch::patch).delete(delete::delete))
}

/// What a dry run answers: the tag, in `If-Match`, makes the change as it was shown or not at all.
fn planned(plan: &Plan) -> Answer {
    let tag = Tag::of_plan(plan.version, plan.digest);
    Answer::new(StatusCode::OK, &PlanBody::new(plan, tag.as_str())).header(header::ETAG, tag.as_str())
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(
    paths(list::list, create::create, get::get, patch::patch, delete::delete),
    components(schemas(PlanBody, crate::api::answer::OnlyGeneration))
)]
pub(super) struct Operations;
