//! The REST API of one namespace, as Cloudflare's: <https://developers.cloudflare.com/api/resources/kv/>.
//! Its base is this server's own address.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Inside;
use super::limits::{Limits, MAX_BODY_BYTES, MAX_KEYS_READ, MAX_PAIRS, Violation};
use super::script::{Does, Treatment};
use super::server::{broken, gone};
use crate::kv::Asked;

/// Names that one listing gives.
const LISTED: usize = 1_000;

type Fake = State<Arc<Inside>>;
type Parameters = Query<HashMap<String, String>>;

pub(super) fn router(inside: Arc<Inside>) -> Router {
    Router::new()
        .route("/values/{key}", get(read).put(write).delete(delete))
        .route("/bulk", put(write_bulk))
        .route("/bulk/get", post(read_bulk))
        .route("/bulk/delete", post(delete_bulk))
        .route("/keys", get(list))
        .layer(DefaultBodyLimit::disable())
        .with_state(inside)
}

/// A call that has come, with what is to become of it.
struct Call<'a> {
    inside: &'a Inside,
    treatment: Treatment,
    at: usize,
}

impl<'a> Call<'a> {
    /// Notes the call and does what the script says before anything is done; an answer where that is all.
    async fn begin(
        inside: &'a Inside,
        asked: Asked,
        does: Does,
        keys: &[&str],
        value: &[u8],
    ) -> Result<Self, Response> {
        let (treatment, at) = inside.called(asked, does, keys, value);
        let call = Self { inside, treatment, at };
        tokio::time::sleep(call.treatment.delay()).await;
        if call.treatment.stalls() {
            inside.stall().await;
            return Err(gone());
        }
        if call.treatment.is_away() {
            return Err(gone());
        }
        // What comes so far counts, whatever becomes of it.
        inside.allowed(Limits::call).map_err(|violation| call.violated(&violation))?;
        if let Some(status) = call.treatment.status() {
            return Err(call.refuse(status, 10_000, "told to fail"));
        }
        Ok(call)
    }

    fn answer(&self, status: u16, body: Response) -> Response {
        self.inside.answered(self.at, status);
        if self.treatment.loses_its_answer() { gone() } else { body }
    }

    fn done(&self, result: &Value) -> Response {
        self.answer(200, Json(json!({"success": true, "errors": [], "messages": [], "result": result})).into_response())
    }

    fn refuse(&self, status: u16, code: u32, message: &str) -> Response {
        self.answer(status, refusal(status, code, message))
    }

    fn violated(&self, violation: &Violation) -> Response {
        self.refuse(violation.status(), 10_013, &format!("{violation:?}"))
    }
}

fn refusal(status: u16, code: u32, message: &str) -> Response {
    let errors = json!([{"code": code, "message": message}]);
    let body = json!({"success": false, "errors": errors, "messages": [], "result": null});
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(body)).into_response()
}

async fn read(State(inside): Fake, Path(key): Path<String>) -> Response {
    let call = match Call::begin(&inside, Asked::Get(key.clone()), Does::Read, &[&key], &[]).await {
        Ok(call) => call,
        Err(answer) => return answer,
    };
    let Some(value) = inside.newest(&key) else {
        return call.refuse(404, 10_009, "get: 'key not found'");
    };
    let mut value = value.to_vec();
    call.treatment.spoil(&mut value);
    let answer = match call.treatment.breaks_after() {
        Some(bytes) => broken(&value, bytes),
        None => Body::from(value).into_response(),
    };
    call.answer(200, answer)
}

async fn write(State(inside): Fake, Path(key): Path<String>, given: Parameters, request: Request) -> Response {
    let body = body(request).await;
    let value = body.as_deref().unwrap_or_default();
    let call = match Call::begin(&inside, Asked::Put(key.clone()), Does::Write, &[&key], value).await {
        Ok(call) => call,
        Err(answer) => return answer,
    };
    if given.keys().any(|name| name.starts_with("expiration")) {
        return call.refuse(400, 10_000, "nothing expires here");
    }
    let value = match body {
        Ok(value) => value,
        Err(violation) => return call.violated(&inside.violated(violation)),
    };
    if let Err(violation) = inside.allowed(|limits, now| limits.write(&key, value.len(), now)) {
        return call.violated(&violation);
    }
    if !call.treatment.loses(&key) {
        inside.write(&key, Some(value));
    }
    call.done(&json!({}))
}

async fn delete(State(inside): Fake, Path(key): Path<String>) -> Response {
    let asked = Asked::Other(format!("DELETE {key}"));
    let call = match Call::begin(&inside, asked, Does::Delete, &[&key], &[]).await {
        Ok(call) => call,
        Err(answer) => return answer,
    };
    if let Err(violation) = inside.allowed(|limits, now| limits.write(&key, 0, now)) {
        return call.violated(&violation);
    }
    if !call.treatment.loses(&key) {
        inside.write(&key, None);
    }
    call.done(&json!({}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    key: String,
    value: String,
    #[serde(default)]
    base64: bool,
}

impl Pair {
    fn value(&self) -> Option<Bytes> {
        let plain = || Bytes::copy_from_slice(self.value.as_bytes());
        if self.base64 { BASE64_STANDARD.decode(&self.value).ok().map(Bytes::from) } else { Some(plain()) }
    }
}

async fn write_bulk(State(inside): Fake, request: Request) -> Response {
    let body = body(request).await;
    let pairs = body.as_ref().ok().and_then(|body| serde_json::from_slice::<Vec<Pair>>(body).ok()).unwrap_or_default();
    let keys: Vec<&str> = pairs.iter().map(|pair| pair.key.as_str()).collect();
    let asked = Asked::PutBulk(keys.iter().map(|key| (*key).to_owned()).collect());
    let call = match Call::begin(&inside, asked, Does::Write, &keys, &[]).await {
        Ok(call) => call,
        Err(answer) => return answer,
    };
    if let Err(violation) = body {
        return call.violated(&inside.violated(violation));
    }
    if pairs.is_empty() {
        return call.refuse(400, 10_012, "could not parse the pairs");
    }
    if let Err(violation) = inside.allowed(|_, _| Limits::pairs(pairs.len(), MAX_PAIRS)) {
        return call.violated(&violation);
    }
    let values: Option<Vec<Bytes>> = pairs.iter().map(Pair::value).collect();
    let Some(values) = values else {
        return call.refuse(400, 10_012, "a value is not base64");
    };
    let (mut taken, mut refused) = (BTreeSet::new(), Vec::new());
    for (at, (pair, value)) in pairs.iter().zip(values).enumerate() {
        if call.treatment.refuses_every().is_some_and(|nth| at % nth == 0) {
            refused.push(pair.key.clone());
            continue;
        }
        if let Err(violation) = inside.allowed(|limits, now| limits.write(&pair.key, value.len(), now)) {
            return call.violated(&violation);
        }
        if !call.treatment.loses(&pair.key) {
            inside.write(&pair.key, Some(value));
        }
        taken.insert(pair.key.clone());
    }
    let result = json!({"successful_key_count": taken.len(), "unsuccessful_keys": refused});
    inside.written(call.at, taken);
    call.done(&result)
}

async fn delete_bulk(State(inside): Fake, request: Request) -> Response {
    let body = body(request).await;
    let keys = body.as_ref().ok().and_then(|body| serde_json::from_slice::<Vec<String>>(body).ok()).unwrap_or_default();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let asked = Asked::Other("POST /bulk/delete".to_owned());
    let call = match Call::begin(&inside, asked, Does::Delete, &names, &[]).await {
        Ok(call) => call,
        Err(answer) => return answer,
    };
    if let Err(violation) = body {
        return call.violated(&inside.violated(violation));
    }
    if keys.is_empty() {
        return call.refuse(400, 10_012, "could not parse the keys");
    }
    if let Err(violation) = inside.allowed(|_, _| Limits::pairs(keys.len(), MAX_PAIRS)) {
        return call.violated(&violation);
    }
    for key in &keys {
        if let Err(violation) = inside.allowed(|limits, now| limits.write(key, 0, now)) {
            return call.violated(&violation);
        }
        if !call.treatment.loses(key) {
            inside.write(key, None);
        }
    }
    call.done(&json!({"successful_key_count": keys.len(), "unsuccessful_keys": []}))
}

#[derive(Deserialize)]
struct Wanted {
    keys: Vec<String>,
}

async fn read_bulk(State(inside): Fake, request: Request) -> Response {
    let body = body(request).await.unwrap_or_default();
    let keys = serde_json::from_slice::<Wanted>(&body).map(|wanted| wanted.keys).unwrap_or_default();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let asked = Asked::Other("POST /bulk/get".to_owned());
    let call = match Call::begin(&inside, asked, Does::Read, &names, &[]).await {
        Ok(call) => call,
        Err(answer) => return answer,
    };
    if let Err(violation) = inside.allowed(|_, _| Limits::pairs(keys.len(), MAX_KEYS_READ)) {
        return call.violated(&violation);
    }
    let mut values = BTreeMap::new();
    for key in keys {
        let value = inside.newest(&key).map(|value| String::from_utf8(value.to_vec())).transpose();
        let Ok(value) = value else {
            return call.refuse(400, 10_012, "a bulk read is of text only");
        };
        values.insert(key, value);
    }
    call.done(&json!({"values": values}))
}

async fn list(State(inside): Fake, Query(given): Parameters) -> Response {
    let text = |name: &str| given.get(name).map_or("", String::as_str);
    let asked = Asked::Other("GET /keys".to_owned());
    let call = match Call::begin(&inside, asked, Does::Read, &[text("prefix")], &[]).await {
        Ok(call) => call,
        Err(answer) => return answer,
    };
    let limit = text("limit").parse().unwrap_or(LISTED).clamp(10, LISTED);
    let (names, cursor) = inside.names(text("prefix"), text("cursor"), limit);
    let keys: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    let body = json!({
        "success": true, "errors": [], "messages": [], "result": keys,
        "result_info": {"count": keys.len(), "cursor": cursor},
    });
    call.answer(200, Json(body).into_response())
}

/// The whole body, unless it is larger than any may be.
async fn body(request: Request) -> Result<Bytes, Violation> {
    to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|_| Violation::BodyTooLarge(MAX_BODY_BYTES + 1))
}
