//! `GET /v1/snapshot/head`: the newest signed head.
//!
//! Asked every second by every edge, so it is answered from memory, and with 304 when nothing
//! is new.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

use super::cacheable;
use crate::api::ApiState;
use crate::api::etag::Tag;
use crate::api::extract::{NoQuery, Query};
use crate::api::problem::{Code, Problem};

/// A cache in front may answer all edges from one answer, for a second; the edges themselves ask again.
const A_SECOND: HeaderValue = HeaderValue::from_static("public, max-age=0, s-maxage=1");

/// The newest signed head
///
/// Edges read it, with the lane's token, their own credential or an operator's token.
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
    Ok(cacheable(&headers, &tag, A_SECOND, head.bytes.clone()))
}
