//! What `entry.mjs` calls.
//!
//! The hot call takes its text from a buffer of the instance's own memory, which the entry fills, and
//! gives a number: nothing is allocated to cross, and no JavaScript value is made. Where identity
//! headers go with a verdict, their values lie in a second buffer until the next call. The entry
//! reads them before it does anything else, so no request can be answered with another's identity.
//!
//! A request's text, credential included, stays in memory until the next one overwrites it. JavaScript
//! holds it as well, and as long as it likes, so wiping it here would promise what cannot be kept.

use core::cell::{Cell, RefCell};

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use worker::Env;

use super::platform::{self, with_isolate};
use super::settle::{self, Background};
use crate::answer::{self, PROBLEMS};
use crate::isolate::{Look, Patience};
use crate::limits::BUFFER_BYTES;
use crate::request::{Asked, Facts};
use crate::verdict::{
    self, DUE, FACTS, GRANT, GRANT_SHIFT, KEY_HEADER, OWN, PONG, REBIND, REPORT, SETTINGS_SHIFT, SETTLE, Verdict,
};

/// Paths of the Worker's own endpoints begin like this.
const OWN_PREFIX: &str = "/.keyward/";
const BUFFER_WORDS: usize = BUFFER_BYTES / size_of::<u64>();

type Buffer = [Cell<u64>; BUFFER_WORDS];

thread_local! {
    /// Cells, for the entry writes to them from outside.
    static INPUT: Buffer = const { [const { Cell::new(0) }; BUFFER_WORDS] };
    static OUTPUT: Buffer = const { [const { Cell::new(0) }; BUFFER_WORDS] };
    static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[wasm_bindgen]
extern "C" {
    /// The request's context.
    pub type ExecutionContext;

    #[wasm_bindgen(method, js_name = waitUntil)]
    fn wait_until(this: &ExecutionContext, promise: &Promise);
}

/// The memory that the buffers lie in. Another one once the instance was replaced.
#[wasm_bindgen]
pub fn linear_memory() -> JsValue {
    wasm_bindgen::memory()
}

/// Where the entry writes a request, at most 4 KiB of it.
#[wasm_bindgen]
pub fn input_at() -> usize {
    INPUT.with(|buffer| buffer.as_ptr().expose_provenance())
}

/// Where the values of a grant's identity headers are found.
#[wasm_bindgen]
pub fn output_at() -> usize {
    OUTPUT.with(|buffer| buffer.as_ptr().expose_provenance())
}

/// Judges the request that the input holds, from what is held: method, URL, credential and the lines of
/// [`Facts::parse`] follow one another, each as long as said; a negative length stands for no credential,
/// and for facts that were not asked for yet. `ordinal` is the how manieth request of the instance it is, as
/// its id tells. The verdict's low five bits are its number; [`DUE`] says that a refresh should be started,
/// [`REPORT`] that a report should be sent, or its time be waited for; with [`GRANT`] the bits from [`GRANT_SHIFT`] up are the length of
/// the output, with a refusal those from [`SETTINGS_SHIFT`] up tell one version of the settings from another.
#[wasm_bindgen]
pub fn judge(method: usize, url: usize, authorization: i32, facts: i32, now: f64, ordinal: u32) -> u32 {
    let (authorization, facts) = (usize::try_from(authorization).ok(), usize::try_from(facts).ok());
    TEXT.with_borrow_mut(|text| {
        if !take_input(text, method + url + authorization.unwrap_or(0) + facts.unwrap_or(0)) {
            return REBIND;
        }
        let Some((method, url, credential, lines)) = parts(text, method, url, authorization.unwrap_or(0)) else {
            return SETTLE;
        };
        match asked(method, url, authorization.map(|_| credential)) {
            Some(mut asked) => {
                asked.facts = facts.map(|_| Facts::parse(lines));
                judge_asked(&asked, platform::time_of(now), ordinal)
            }
            None => OWN,
        }
    })
}

fn parts(text: &[u8], method: usize, url: usize, credential: usize) -> Option<(&str, &str, &str, &str)> {
    let (method, rest) = str::from_utf8(text).ok()?.split_at_checked(method)?;
    let (url, rest) = rest.split_at_checked(url)?;
    let (credential, lines) = rest.split_at_checked(credential)?;
    Some((method, url, credential, lines))
}

fn judge_asked(asked: &Asked<'_>, now: u64, ordinal: u32) -> u32 {
    with_isolate(|isolate| {
        let verdict = match isolate.look(asked, now, Patience::FULL) {
            Look::Done(Verdict::Number(number)) if number < PONG => {
                number | isolate.replica.settings_version() << SETTINGS_SHIFT
            }
            Look::Done(Verdict::Number(number)) => number,
            Look::Done(Verdict::Pong(_)) => PONG,
            Look::Done(Verdict::Allow(grant)) => {
                let key_header = if isolate.replica.settings().accept.header.is_some() { KEY_HEADER } else { 0 };
                let identity = isolate.identity(&grant, asked, now);
                put_output(&identity).map_or(SETTLE, |length| GRANT | key_header | length << GRANT_SHIFT)
            }
            Look::Facts => FACTS,
            Look::Load(_) | Look::Wait(_) => SETTLE,
        };
        if !matches!(verdict, FACTS | SETTLE) {
            isolate.count_answered(ordinal, now);
        }
        let due = if isolate.is_due(now) { DUE } else { 0 };
        verdict | due | if isolate.report_is_wanting(now) { REPORT } else { 0 }
    })
    .unwrap_or(SETTLE)
}

/// Takes the input, and clears its first word: where the entry wrote to the memory of an instance that
/// was replaced meanwhile, this one finds nothing.
fn take_input(text: &mut Vec<u8>, length: usize) -> bool {
    INPUT.with(|buffer| {
        text.clear();
        for word in buffer.iter().take(length.div_ceil(size_of::<u64>())) {
            text.extend_from_slice(&word.get().to_le_bytes());
        }
        buffer[0].set(0);
        text.truncate(length);
        text.first().is_some_and(|first| *first != 0)
    })
}

fn put_output(text: &str) -> Option<u32> {
    OUTPUT.with(|buffer| {
        if text.len() > size_of_val(buffer) {
            return None;
        }
        for (word, bytes) in buffer.iter().zip(text.as_bytes().chunks(size_of::<u64>())) {
            let mut filled = [0; size_of::<u64>()];
            filled[..bytes.len()].copy_from_slice(bytes);
            word.set(u64::from_le_bytes(filled));
        }
        u32::try_from(text.len()).ok()
    })
}

/// Judges a request that could not be judged at once: loads what it needs and waits within bounds.
/// `facts` is called for the lines of [`Facts::parse`] when they are needed, each time anew after a wait,
/// for other settings ask for another header. Gives a verdict's bare number, or the values of the identity
/// headers, each on a line.
#[wasm_bindgen]
#[expect(clippy::too_many_arguments, reason = "an object of them would cost a look-up for each")]
pub async fn settle(
    env: Env,
    context: ExecutionContext,
    method: String,
    url: String,
    authorization: Option<String>,
    facts: Function,
    now: f64,
    ordinal: u32,
) -> JsValue {
    let Some(asked) = asked(&method, &url, authorization.as_deref()) else {
        return JsValue::from(OWN);
    };
    let now = platform::time_of(now);
    let collect = || facts.call0(&JsValue::UNDEFINED).ok()?.as_string();
    let background = |work| keep_alive(&context, work);
    match settle::settle(&env, &asked, now, ordinal, &collect, &background).await {
        Verdict::Number(number) => JsValue::from(number),
        Verdict::Pong(_) => JsValue::from(PONG),
        Verdict::Allow(grant) => with_isolate(|isolate| isolate.identity(&grant, &asked, now))
            .map_or_else(|| JsValue::from(verdict::internal()), |identity| JsValue::from_str(&identity)),
    }
}

/// Does what is due in the background: asks lanes, warms the next tree. To be handed to `waitUntil`. Says
/// whether a report is wanted then: whoever waits for one may wait for what came just now.
#[wasm_bindgen]
pub async fn refresh(env: Env) -> bool {
    if let Some(work) = settle::due(&env) {
        work.await;
    }
    with_isolate(|isolate| isolate.report_is_wanting(platform::now())).unwrap_or(false)
}

/// Begins to send a report and says how many bytes it has, none where `again` says that one is still there
/// that has not arrived. Less than nothing where it is not time for one: that many milliseconds less than -1
/// where the caller, which `may`, is to wait for it.
#[wasm_bindgen]
pub fn report_take(again: bool, may: bool, now: f64) -> i32 {
    let now = platform::time_of(now);
    with_isolate(|isolate| {
        if let Some(body) = isolate.take_report(again, now) {
            return i32::try_from(body.len()).ok();
        }
        let pause = may.then(|| isolate.await_report(now)).flatten()?;
        i32::try_from(pause).ok().map(|pause| -1 - pause)
    })
    .flatten()
    .unwrap_or(-1)
}

/// Where that report's bytes lie until the next one is taken.
#[wasm_bindgen]
pub fn report_at() -> usize {
    with_isolate(|isolate| isolate.tally.body().as_ptr().expose_provenance()).unwrap_or(0)
}

/// Says whether the report has arrived.
#[wasm_bindgen]
pub fn report_sent(arrived: bool, now: f64) {
    with_isolate(|isolate| isolate.tally.sent(arrived, platform::time_of(now), platform::jitter()));
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

fn keep_alive(context: &ExecutionContext, work: Background) {
    context.wait_until(&future_to_promise(std::panic::AssertUnwindSafe(async {
        work.await;
        Ok(JsValue::UNDEFINED)
    })));
}

fn asked<'a>(method: &'a str, url: &'a str, authorization: Option<&'a str>) -> Option<Asked<'a>> {
    let asked = Asked::new(method, url, authorization);
    #[cfg(feature = "test-panic")]
    match asked.path {
        "/test-panic" => panic!("a panic that was asked for"),
        // Until the allocator finds no more.
        "/test-exhaust" => loop {
            core::mem::forget(core::hint::black_box(Vec::<u8>::with_capacity(1 << 20)));
        },
        _ => {}
    }
    (!asked.path.starts_with(OWN_PREFIX)).then_some(asked)
}
