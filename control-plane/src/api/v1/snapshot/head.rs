//! `GET /v1/snapshot/head`: the newest signed head.
//!
//! Asked every second by every edge, so it is answered from memory, and with 304 when nothing
//! is new.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::OCTETS;
use crate::api::ApiState;
use crate::api::etag::Tag;
use crate::api::extract::{NoQuery, Query};
use crate::api::problem::{Code, Problem};

/// The newest signed head
///
/// Edges read it, with their own credential or an operator's token.
#[utoipa::path(
    get, path = "/v1/snapshot/head", operation_id = "get_snapshot_head",
    responses((status = 200, content_type = "application/octet-stream")),
)]
pub(super) async fn head(
    State(api): State<ApiState>,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let head =
        api.snapshot.head().await.ok_or_else(|| Problem::new(Code::NotFound).detail("nothing is published yet"))?;
    let tag = Tag::from_text(&head.etag);
    let mut response = if tag.is_named_by(&headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(head.bytes.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, OCTETS);
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(value) = tag.to_header() {
        headers.insert(header::ETAG, value);
    }
    Ok(response)
}
