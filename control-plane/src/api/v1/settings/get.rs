//! `GET /v1/settings`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::api::extract::{Caller, NoQuery, Query};
use crate::api::problem::Problem;
use crate::api::wire::settings::SettingsBody;
use crate::api::{ApiState, answer};

/// Read the settings
#[utoipa::path(
    get, path = "/v1/settings", operation_id = "get_settings",
    responses((status = 200, body = SettingsBody)),
)]
pub(super) async fn get(
    State(api): State<ApiState>,
    caller: Caller,
    Query(NoQuery {}): Query<NoQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let document = api.lifecycle.get_settings(&caller.actor).await?;
    let body = SettingsBody::from(&document);
    Ok(answer::read(&headers, document.version, &body))
}
