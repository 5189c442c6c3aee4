//! Reading Workers KV. A value may be hundreds of times larger than what is wanted, so it is bounded while
//! it is read and never had whole before.

use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::*;
use worker::Env;

use super::body::{self, Body, BodyError};

/// Name of the binding.
const BINDING: &str = "KEYWARD";
/// Key of the head.
const HEAD_KEY: &str = "head";
/// The shortest time that the platform lets a value be cached, in seconds.
pub(super) const SHORTEST_TTL: u32 = 30;
/// How long an object that never changes may be cached near the edge, in seconds.
pub(super) const OBJECT_TTL: u32 = 24 * 60 * 60;

#[wasm_bindgen]
extern "C" {
    type KvNamespace;

    #[wasm_bindgen(method, catch)]
    async fn get(this: &KvNamespace, key: &str, options: &JsValue) -> Result<JsValue, JsValue>;
}

/// Why KV gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum KvError {
    /// The Worker has no KV binding.
    #[error("no KV binding {BINDING}")]
    NoBinding,
    /// The read failed.
    #[error("{0}")]
    Read(String),
    /// Its bytes broke off, or are too many.
    #[error("{0}")]
    Body(#[from] BodyError),
}

/// The head's bytes, or `None` where KV has none.
pub(super) async fn head(env: &Env, max: usize) -> Result<Option<Vec<u8>>, KvError> {
    get(env, HEAD_KEY, SHORTEST_TTL, max).await
}

/// The value of `key`, or `None` where KV has none yet.
pub(super) async fn get(env: &Env, key: &str, cache_ttl: u32, max: usize) -> Result<Option<Vec<u8>>, KvError> {
    let binding = Reflect::get(env, &JsValue::from_str(BINDING)).map_err(|_| KvError::NoBinding)?;
    if binding.is_falsy() {
        return Err(KvError::NoBinding);
    }
    let options = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&options, &JsValue::from_str(name), &value);
    let _ = set("type", JsValue::from_str("stream"));
    let _ = set("cacheTtl", JsValue::from_f64(f64::from(cache_ttl)));
    let value = binding
        .unchecked_into::<KvNamespace>()
        .get(key, &options)
        .await
        .map_err(|error| KvError::Read(describe(&error)))?;
    if value.is_falsy() {
        return Ok(None);
    }
    Ok(Some(body::read(&value.unchecked_into::<Body>(), max).await?))
}

/// A JavaScript error's own words.
pub(super) fn describe(error: &JsValue) -> String {
    error.dyn_ref::<js_sys::Error>().map_or_else(|| format!("{error:?}"), |error| error.message().into())
}
