//! `PUT /v1/apis/{api}`: puts an API into the catalogue, or replaces its title and routes.

use axum::http::{StatusCode, header};
use axum::response::Response;

use crate::api::answer::{Answer, WithGeneration};
use crate::api::extract::{ApiPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::apis::{ApiBody, PutApi as Body};
use crate::domain::invalid::{Fault, Invalid};
use crate::domain::route::RouteInput;
use crate::lifecycle::PutApi;

/// Create or replace an API
#[utoipa::path(
    put, path = "/v1/apis/{api}", operation_id = "put_api",
    request_body = Body,
    responses((status = 200, body = WithGeneration<ApiBody>), (status = 201, body = WithGeneration<ApiBody>)),
)]
pub(super) async fn put(ApiPath(name): ApiPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, body) = mutation.read::<Body>()?;
    if body.name.as_ref().is_some_and(|named| *named != name) {
        let detail = "must be the name in the path, or left out";
        return Err(Invalid::new("name", Fault::Conflicting, detail).into());
    }
    let verb = PutApi { name, title: body.title, routes: body.routes.into_iter().map(RouteInput::from).collect() };
    ready
        .run(verb, |outcome, generation| {
            let api = &outcome.api;
            let body = ApiBody::from(api);
            if outcome.created {
                Answer::resource(StatusCode::CREATED, &body, api.version, generation)
                    .header(header::LOCATION, format!("/v1/apis/{}", api.name))
            } else {
                Answer::resource(StatusCode::OK, &body, api.version, generation)
            }
        })
        .await
}
