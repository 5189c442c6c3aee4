//! Clock, chance, timers, variables, and the state that outlives a request.

use core::cell::RefCell;
use core::future::Future;
use core::time::Duration;

use futures_util::future::{Either, select};
use js_sys::{Date, Math, Reflect};
use wasm_bindgen::JsValue;
use worker::{Delay, Env};

use crate::config::Config;
use crate::isolate::Isolate;

thread_local! {
    static ISOLATE: RefCell<Option<Isolate>> = const { RefCell::new(None) };
}

/// Runs `step` on the isolate's state, or gives `None` where nothing is configured yet. The borrow
/// ends with the step: it is synchronous, so it cannot live across an await.
pub(super) fn with_isolate<T>(step: impl FnOnce(&mut Isolate) -> T) -> Option<T> {
    ISOLATE.with_borrow_mut(|isolate| isolate.as_mut().map(step))
}

/// Configures the isolate from its bindings, once. What is wrong is logged; nothing is judged then.
pub(super) fn configure(env: &Env) -> bool {
    ISOLATE.with_borrow_mut(|isolate| {
        if isolate.is_some() {
            return true;
        }
        match Config::read(|name| Reflect::get(env, &JsValue::from_str(name)).ok()?.as_string()) {
            Ok(config) => {
                *isolate = Some(Isolate::new(config, now()));
                true
            }
            Err(error) => {
                worker::console_error!(
                    "keyward: every request is refused, for the configuration cannot be used: {error}"
                );
                false
            }
        }
    })
}

/// Milliseconds since the Unix epoch. It stands still within a request until I/O happens.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time after 1970, in whole milliseconds")]
#[expect(clippy::disallowed_methods, reason = "the edge's one clock")]
pub(super) fn now() -> u64 {
    Date::now() as u64
}

/// A time that came from the entry as a JavaScript number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time after 1970, in whole milliseconds")]
pub(super) const fn time_of(milliseconds: f64) -> u64 {
    milliseconds as u64
}

/// A chance number below 1000, to spread what many isolates do at once. Guards nothing.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 999")]
#[expect(clippy::disallowed_methods, reason = "the edge's one source of chance")]
pub(super) fn jitter() -> u64 {
    (Math::random() * 1000.0) as u64
}

/// RFC 3339 in UTC, by the runtime's own calendar.
#[expect(clippy::cast_precision_loss, reason = "exact below the year 287396")]
pub(super) fn rfc3339(milliseconds: u64) -> String {
    Date::new(&JsValue::from_f64(milliseconds as f64)).to_iso_string().into()
}

/// Waits that long, by a timer of this request's own.
pub(super) async fn pause(milliseconds: u64) {
    Delay::from(Duration::from_millis(milliseconds)).await;
}

/// What `future` gives, or `None` where it takes longer.
pub(super) async fn within<T>(milliseconds: u64, future: impl Future<Output = T>) -> Option<T> {
    let timer = Delay::from(Duration::from_millis(milliseconds));
    match select(core::pin::pin!(future), core::pin::pin!(timer)).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

/// Bytes of WebAssembly's memory; none in a native build.
pub(super) fn memory_bytes() -> usize {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size(0) * 64 * 1024;
    #[cfg(not(target_arch = "wasm32"))]
    0
}
