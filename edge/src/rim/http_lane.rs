//! The http lane: heads and objects from the control plane, or from a CDN in front of it.
//!
//! What comes is signed or named by its hash, so the lane needs no trust; it is bounded while it is
//! read, since it could be endless.

use js_sys::{JsString, Object, Reflect};
use keyward_shared::snapshot::ObjectName;
use wasm_bindgen::prelude::*;

use super::body::{self, Body, BodyError};
use super::kv::describe;
use super::platform;
use crate::config::HttpLane;

// The platform's own `fetch`: the `worker` crate's would bring along, in the size of every edge, all
// that a request can be made of.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    async fn fetch_from(url: &str, init: &Object) -> Result<JsValue, JsValue>;

    type Answer;

    #[wasm_bindgen(method, getter)]
    fn status(this: &Answer) -> u16;

    #[wasm_bindgen(method, getter)]
    fn body(this: &Answer) -> Option<Body>;

    type AbortController;

    #[wasm_bindgen(constructor)]
    fn new() -> AbortController;

    #[wasm_bindgen(method, getter)]
    fn signal(this: &AbortController) -> JsValue;

    #[wasm_bindgen(method)]
    fn abort(this: &AbortController);
}

/// What the lane says of the head.
pub(super) enum LaneHead {
    /// The one with the `ETag` that was shown is still the newest.
    NotModified,
    /// Another one.
    Bytes(Vec<u8>),
    /// There is none yet.
    None,
}

/// Why the lane gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaneError {
    #[error("{0}")]
    Request(String),
    #[error("status {0}")]
    Status(u16),
    #[error("{0}")]
    Body(#[from] BodyError),
    #[error("no answer within {0} ms")]
    Timeout(u64),
}

impl From<JsValue> for LaneError {
    fn from(error: JsValue) -> Self {
        Self::Request(describe(&error))
    }
}

/// Asks for the head, `If-None-Match` the one that is held.
pub(super) async fn head(
    lane: &HttpLane,
    etag: Option<&str>,
    max: usize,
    timeout_ms: u64,
) -> Result<LaneHead, LaneError> {
    let url = format!("{}/head", lane.url);
    match get(&url, lane, etag, max, timeout_ms).await {
        Ok(Some(bytes)) => Ok(LaneHead::Bytes(bytes)),
        Ok(None) => Ok(LaneHead::NotModified),
        Err(LaneError::Status(404)) => Ok(LaneHead::None),
        Err(error) => Err(error),
    }
}

/// The object's bytes, or `None` where the lane has none.
pub(super) async fn object(
    lane: &HttpLane,
    name: &ObjectName,
    max: usize,
    timeout_ms: u64,
) -> Result<Option<Vec<u8>>, LaneError> {
    let url = format!("{}/objects/{name}", lane.url);
    match get(&url, lane, None, max, timeout_ms).await {
        Err(LaneError::Status(404)) => Ok(None),
        other => other,
    }
}

/// The body of a 200, `None` for a 304.
async fn get(
    url: &str,
    lane: &HttpLane,
    etag: Option<&str>,
    max: usize,
    timeout_ms: u64,
) -> Result<Option<Vec<u8>>, LaneError> {
    let headers = Object::new();
    if let Some(credential) = &lane.credential {
        set(&headers, "authorization", &format!("Bearer {credential}").into())?;
    }
    if let Some(etag) = etag {
        set(&headers, "if-none-match", &etag.into())?;
    }
    let controller = AbortController::new();
    let init = Object::new();
    set(&init, "headers", &headers)?;
    set(&init, "redirect", &"manual".into())?;
    set(&init, "signal", &controller.signal())?;
    let answer = async {
        let answer: Answer = fetch_from(url, &init).await?.unchecked_into();
        match answer.status() {
            200 => match answer.body() {
                Some(body) => Ok(Some(body::read(&body, max).await?)),
                None => Ok(Some(Vec::new())),
            },
            304 => Ok(None),
            status => Err(LaneError::Status(status)),
        }
    };
    let answer = platform::within(timeout_ms, answer).await.unwrap_or(Err(LaneError::Timeout(timeout_ms)));
    if answer.is_err() {
        controller.abort();
    }
    answer
}

fn set(object: &Object, name: &str, value: &JsValue) -> Result<bool, JsValue> {
    Reflect::set(object, &JsString::from(name), value)
}
