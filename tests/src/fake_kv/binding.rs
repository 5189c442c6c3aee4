//! What the binding of a Worker asks on plain `workerd`: `GET /{key}?urlencoded=true[&cache_ttl=N]`, `PUT` and
//! `DELETE` of the same, `GET /?prefix=` for a list. One server for each reader: what is near one is not near
//! another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::Inside;
use super::limits::MAX_VALUE_BYTES;
use super::namespace::DEFAULT_CACHE;
use super::script::{Does, Side, Treatment};
use super::server::{broken, dripping, endless, gone};

/// Names that one listing gives.
const LISTED: usize = 1_000;

#[derive(Clone)]
pub(super) struct Near {
    pub(super) inside: Arc<Inside>,
    pub(super) reader: usize,
}

type Parameters = Query<HashMap<String, String>>;

pub(super) fn router(near: Near) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/{key}", get(read).put(write).delete(delete))
        .layer(DefaultBodyLimit::max(MAX_VALUE_BYTES))
        .with_state(near)
}

/// Does what the script says before anything is done; an answer where that is all.
async fn begin(near: &Near, does: Does, key: &str) -> Result<Treatment, Response> {
    let treatment = near.inside.treat(Side::Reader(near.reader), does, &[key]);
    tokio::time::sleep(treatment.delay()).await;
    if treatment.stalls() {
        near.inside.stall().await;
        return Err(gone());
    }
    if treatment.is_away() {
        return Err(gone());
    }
    match treatment.status() {
        Some(status) => Err(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()),
        None => Ok(treatment),
    }
}

async fn read(State(near): State<Near>, Path(key): Path<String>, given: Parameters) -> Response {
    let asked_for = given.get("cache_ttl").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let noted = near.inside.begin_read(near.reader, &key, asked_for);
    let treatment = match begin(&near, Does::Read, &key).await {
        Ok(treatment) => treatment,
        Err(answer) => {
            near.inside.end_read(noted, None);
            return answer;
        }
    };
    let cached_for = treatment.cached_for().map(|most| most.min(asked_for.unwrap_or(DEFAULT_CACHE)));
    let value = near.inside.read_near(near.reader, &key, cached_for, treatment.late(), treatment.older());
    near.inside.end_read(noted, value.as_deref());
    let Some(value) = value else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if treatment.loses_its_answer() {
        return gone();
    }
    let mut value = value.to_vec();
    treatment.spoil(&mut value);
    match (treatment.breaks_after(), treatment.drips()) {
        (Some(bytes), _) => broken(&value, bytes),
        (None, Some(between)) => dripping(value, between),
        (None, None) if treatment.is_endless() => endless(value),
        (None, None) => Body::from(value).into_response(),
    }
}

async fn write(State(near): State<Near>, Path(key): Path<String>, given: Parameters, value: Bytes) -> Response {
    if given.keys().any(|name| name.starts_with("expiration")) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    change(&near, Does::Write, &key, Some(value)).await
}

async fn delete(State(near): State<Near>, Path(key): Path<String>) -> Response {
    change(&near, Does::Delete, &key, None).await
}

async fn change(near: &Near, does: Does, key: &str, value: Option<Bytes>) -> Response {
    let treatment = match begin(near, does, key).await {
        Ok(treatment) => treatment,
        Err(answer) => return answer,
    };
    let bytes = value.as_ref().map_or(0, Bytes::len);
    if let Err(violation) = near.inside.allowed(|limits, now| limits.write(key, bytes, now)) {
        return StatusCode::from_u16(violation.status()).unwrap_or(StatusCode::BAD_REQUEST).into_response();
    }
    if !treatment.loses(key) {
        near.inside.write(key, value);
    }
    if treatment.loses_its_answer() { gone() } else { StatusCode::OK.into_response() }
}

async fn list(State(near): State<Near>, Query(given): Parameters) -> Response {
    let text = |name: &str| given.get(name).map_or("", String::as_str);
    if let Err(answer) = begin(&near, Does::Read, text("prefix")).await {
        return answer;
    }
    let limit = text("key_count_limit").parse().unwrap_or(LISTED).clamp(1, LISTED);
    let (names, cursor) = near.inside.names(text("prefix"), text("cursor"), limit);
    let keys: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    let body = match cursor.as_str() {
        "" => json!({"keys": keys, "list_complete": true}),
        cursor => json!({"keys": keys, "list_complete": false, "cursor": cursor}),
    };
    Json(body).into_response()
}
