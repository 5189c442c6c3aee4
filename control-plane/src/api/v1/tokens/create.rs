//! `POST /v1/workspaces/{ws}/members/{member}/tokens`: makes a token and shows its text once.

use axum::http::{StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::api::answer::Answer;
use crate::api::extract::{MemberPath, Mutation};
use crate::api::problem::Problem;
use crate::api::wire::tokens::{CreateToken as Body, TokenBody};
use crate::domain::token::TOKEN_VERSION;

#[derive(Serialize)]
struct Created<'a> {
    token: &'a TokenBody<'a>,
    secret: &'a str,
    generation: u64,
}

/// Create a token that acts as the member
///
/// Its text is shown once.
#[utoipa::path(
    post, path = "/v1/workspaces/{ws}/members/{member}/tokens", operation_id = "create_token",
    request_body = Body,
    responses((status = 201, body = crate::api::wire::schema::CreatedToken)),
)]
pub(super) async fn create(MemberPath(workspace, member): MemberPath, mutation: Mutation) -> Result<Response, Problem> {
    let (ready, body) = mutation.read::<Body>()?;
    let verb = body.into_verb(workspace, member)?;
    ready
        .run(verb, move |created, generation| {
            let token = TokenBody::from(&created.token);
            let body = Created { token: &token, secret: &created.text, generation: generation.0 };
            let location = format!("/v1/workspaces/{workspace}/members/{member}/tokens/{}", created.token.id);
            Answer::new(StatusCode::CREATED, &body)
                .tagged(TOKEN_VERSION, &token)
                .header(header::LOCATION, location)
                .no_store()
        })
        .await
}
