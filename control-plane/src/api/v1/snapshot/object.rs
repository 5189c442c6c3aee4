//! `GET /v1/snapshot/objects/{name}`: an object by the hash that is its name.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

use super::cacheable;
use crate::api::ApiState;
use crate::api::etag::Tag;
use crate::api::extract::{NoQuery, ObjectPath, Query};
use crate::api::problem::{Code, Problem};

/// An object never changes under its name.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// An object by the hash that is its name
///
/// Edges read it, with the lane's token, their own credential or an operator's token. It never changes.
#[utoipa::path(
    get, path = "/v1/snapshot/objects/{name}", operation_id = "get_snapshot_object",
    responses((status = 200, content_type = "application/octet-stream")),
)]
pub(super) async fn object(
    State(api): State<ApiState>,
    ObjectPath(name): ObjectPath,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let object = api
        .snapshot
        .object(&name)
        .await
        .map_err(|error| Problem::new(Code::Unavailable).caused_by(error))?
        .ok_or_else(|| Problem::new(Code::NotFound).detail("there is no such object"))?;
    let tag = Tag::from_text(&format!("\"{name}\""));
    Ok(cacheable(&headers, &tag, FOR_EVER, object))
}
