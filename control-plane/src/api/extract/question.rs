//! A question that is too long, or too secret, for a URL: it is asked with a body and changes nothing.

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use serde::de::DeserializeOwned;

use super::caller::Caller;
use super::json;
use super::query::{NoQuery, Query};
use crate::api::ApiState;
use crate::api::problem::Problem;
use crate::domain::actor::Actor;

/// Who asks, and what.
pub struct Question<T> {
    /// Who, as the audit log names them.
    pub actor: Actor,
    /// What.
    pub body: T,
}

impl<T: DeserializeOwned> FromRequest<ApiState> for Question<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Caller { actor } = Caller::from_request_parts(&mut parts, api).await?;
        let Query(NoQuery {}) = Query::from_request_parts(&mut parts, api).await?;
        let bytes = json::read_body(Request::from_parts(parts, body)).await?;
        Ok(Self { actor, body: json::parse_body(&bytes)? })
    }
}
