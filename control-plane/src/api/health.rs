//! Probes and figures: no token asked, nothing told that is not for everybody.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use utoipa::OpenApi;

use super::ApiState;
use super::metrics;
use super::problem::{Code, Problem};
use super::wire::schema;

/// Whether the process answers
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz",
    responses((status = 200, body = schema::Health)),
)]
pub(super) async fn healthz() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Whether changes can be made and are published
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz",
    responses((status = 200, body = schema::Health)),
)]
pub(super) async fn readyz(State(api): State<ApiState>) -> Result<Response, Problem> {
    api.lifecycle.ready().await?;
    if let Some(why) = api.snapshot.halted() {
        return Err(Problem::new(Code::Unavailable).detail(why));
    }
    Ok(Json(json!({ "status": "ready" })).into_response())
}

/// Figures for Prometheus
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics",
    responses((status = 200, content_type = "application/openmetrics-text")),
)]
pub(super) async fn figures(State(api): State<ApiState>) -> Result<Response, Problem> {
    // Figures of the process are worth having when the database is away, then without those.
    let snapshot = api.snapshot.status().await.ok();
    let text = api.metrics.encode(snapshot.as_ref()).map_err(|error| Problem::new(Code::Internal).caused_by(error))?;
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    Ok(response)
}

/// The operations of these routes.
#[derive(OpenApi)]
#[openapi(paths(healthz, readyz, figures))]
pub(super) struct Operations;
