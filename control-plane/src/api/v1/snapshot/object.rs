//! `GET /v1/snapshot/objects/{name}`: an object by the hash that is its name.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::OCTETS;
use crate::api::ApiState;
use crate::api::etag::Tag;
use crate::api::extract::{NoQuery, ObjectPath, Query};
use crate::api::problem::{Code, Problem};

/// An object never changes under its name.
const FOR_EVER: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");

/// An object by the hash that is its name
///
/// Edges read it, with their own credential or an operator's token. It never changes.
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
    let mut response = if tag.is_named_by(&headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(object));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, OCTETS);
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, FOR_EVER);
    if let Some(value) = tag.to_header() {
        headers.insert(header::ETAG, value);
    }
    Ok(response)
}
