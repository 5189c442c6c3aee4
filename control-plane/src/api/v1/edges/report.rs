//! `POST /v1/edges/report`: what an edge has applied and counted.
//!
//! A report that comes again counts once, so that an edge sends it until it is answered.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use keyward_shared::report::MAX_REPORT_BYTES;

use crate::api::ApiState;
use crate::api::extract::{NoQuery, Query, is_length_limit};
use crate::api::problem::{Code, Problem};
use crate::api::wire::schema;
use crate::lifecycle::{Received, Taken};

const OCTETS: &str = "application/octet-stream";

/// Take an edge's report
///
/// Edges send it, with their own credential. One that comes again counts once.
#[utoipa::path(
    post, path = "/v1/edges/report", operation_id = "report_edge",
    request_body(content = schema::Report, content_type = "application/octet-stream"),
    responses((status = 204, description = "It was taken, now or before.")),
)]
pub(super) async fn report(
    State(api): State<ApiState>,
    Query(NoQuery {}): Query<NoQuery>,
    request: Request,
) -> Result<StatusCode, Problem> {
    if !is_octets(request.headers()) {
        return Err(Problem::new(Code::UnsupportedMediaType).detail("send a report as application/octet-stream"));
    }
    let too_large = || Problem::new(Code::BodyTooLarge).detail(format!("at most {MAX_REPORT_BYTES} bytes"));
    let bytes = match axum::body::to_bytes(request.into_body(), MAX_REPORT_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) if is_length_limit(&error) => return Err(too_large()),
        Err(error) => return Err(Problem::new(Code::BadReport).detail("the body ended early").caused_by(error)),
    };
    let received = Received::decode(&bytes)
        .map_err(|error| Problem::new(Code::BadReport).detail(error.to_string()).caused_by(error))?;
    let Some(_turn) = api.receipts.turn().await else { return Err(Problem::new(Code::TooManyReports)) };
    if api.lifecycle.take_report(&received, api.clock.now()).await? == Taken::New {
        api.receipts.reported();
    }
    Ok(StatusCode::NO_CONTENT)
}

fn is_octets(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.trim().eq_ignore_ascii_case(OCTETS))
}
