//! What `entry.mjs` calls.
//!
//! A verdict comes back as a number, or, for a grant, as the values of the identity headers joined by
//! newlines. Both are values of this very call: nothing about a request is kept between two calls,
//! so no request can be answered with another's identity.

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use worker::Env;

use super::platform::{self, with_isolate};
use super::settle::{self, RefreshFuture, Settled};
use crate::answer::{self, PROBLEMS};
use crate::isolate::{Look, Patience};
use crate::request::{Asked, Facts, host_and_path};
use crate::verdict::{FACTS, OWN, PONG, SETTLE, Verdict};

/// Paths of the Worker's own endpoints begin like this.
const OWN_PREFIX: &str = "/.keyward/";

#[wasm_bindgen]
extern "C" {
    /// The request's context.
    pub type ExecutionContext;

    #[wasm_bindgen(method, js_name = waitUntil)]
    fn wait_until(this: &ExecutionContext, promise: &Promise);
}

/// Judges a request from what is held, synchronously.
#[wasm_bindgen]
pub fn judge(method: String, url: &str, authorization: Option<String>, facts: Option<String>, now: f64) -> JsValue {
    let Some(asked) = asked(method, url, authorization, facts) else {
        return JsValue::from(OWN);
    };
    let now = platform::time_of(now);
    let verdict = with_isolate(|isolate| match isolate.look(&asked, now, Patience::FULL) {
        Look::Done(Verdict::Number(number)) => JsValue::from(number),
        Look::Done(Verdict::Pong(_)) => JsValue::from(PONG),
        Look::Done(Verdict::Allow(grant)) => JsValue::from_str(&isolate.identity(&grant, &asked, now).join("\n")),
        Look::Facts => JsValue::from(FACTS),
        Look::Load(_) | Look::Wait(_) => JsValue::from(SETTLE),
    });
    verdict.unwrap_or_else(|| JsValue::from(SETTLE))
}

/// Judges a request that could not be judged at once: loads what it needs and waits within bounds.
#[wasm_bindgen]
pub async fn settle(
    env: Env,
    context: ExecutionContext,
    method: String,
    url: String,
    authorization: Option<String>,
    facts: Option<String>,
    now: f64,
) -> JsValue {
    let Some(asked) = asked(method, &url, authorization, facts) else {
        return JsValue::from(OWN);
    };
    let now = platform::time_of(now);
    match settle::settle(&env, &asked, now, |refresh| keep_alive(&context, refresh)).await {
        Settled::Facts => JsValue::from(FACTS),
        Settled::Verdict(Verdict::Number(number)) => JsValue::from(number),
        Settled::Verdict(Verdict::Pong(_)) => JsValue::from(PONG),
        Settled::Verdict(Verdict::Allow(grant)) => {
            with_isolate(|isolate| isolate.identity(&grant, &asked, now).join("\n"))
                .map_or(JsValue::from(SETTLE), |identity| JsValue::from_str(&identity))
        }
    }
}

/// Whether a refresh should be started now.
#[wasm_bindgen]
pub fn refresh_due(now: f64) -> bool {
    with_isolate(|isolate| isolate.is_due(platform::time_of(now))).unwrap_or(false)
}

/// Starts the refreshes that are due; to be handed to `waitUntil`.
#[wasm_bindgen]
pub async fn refresh(env: Env) {
    if let Some(lanes) = with_isolate(|isolate| isolate.start_due(platform::now())) {
        super::refresh::run(env, lanes).await;
    }
}

/// Status, code and body of a problem, each on a line, by its number or its code.
#[wasm_bindgen]
pub fn problem(number: Option<u32>, code: &str) -> String {
    let index = number.map_or_else(|| answer::index_of(code), |number| number as usize);
    let problem = PROBLEMS.get(index).unwrap_or(&PROBLEMS[answer::index_of("internal")]);
    format!("{}\n{}\n{}", problem.status, problem.code, problem.body())
}

/// The challenge of a 401 (RFC 7617, section 2).
#[wasm_bindgen]
pub fn challenge() -> String {
    let realm = with_isolate(|isolate| isolate.replica.settings().realm.clone());
    format!("Basic realm=\"{}\", charset=\"UTF-8\"", realm.as_deref().unwrap_or("API"))
}

/// The header that keys are also taken from, or nothing.
#[wasm_bindgen]
pub fn key_header() -> Option<String> {
    with_isolate(|isolate| isolate.replica.settings().accept.header.clone()).flatten()
}

fn keep_alive(context: &ExecutionContext, refresh: RefreshFuture) {
    context.wait_until(&future_to_promise(std::panic::AssertUnwindSafe(async {
        refresh.await;
        Ok(JsValue::UNDEFINED)
    })));
}

fn asked(method: String, url: &str, authorization: Option<String>, facts: Option<String>) -> Option<Asked> {
    let (host, path) = host_and_path(url);
    #[cfg(feature = "test-panic")]
    assert!(path != "/test-panic", "a panic that was asked for");
    if path.starts_with(OWN_PREFIX) {
        return None;
    }
    let (host, path) = (host.to_owned(), path.to_owned());
    Some(Asked { method, host, path, authorization, facts: facts.map(|lines| Facts::parse(&lines)) })
}
