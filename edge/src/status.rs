//! `GET /.keyward/status`: what this isolate holds, for people and monitors. No secret, no key.

use crate::isolate::Isolate;
use crate::json::Object;

/// The body, its times written by `rfc3339`.
pub(crate) fn body(isolate: Option<&Isolate>, now: u64, wasm_bytes: usize, rfc3339: impl Fn(u64) -> String) -> String {
    let head = isolate.and_then(Isolate::head);
    let checkpoint = head.map(|head| String::from_utf8_lossy(&head.checkpoint)).filter(|text| !text.is_empty());
    let cache_bytes = isolate.map_or(0, |isolate| isolate.replica.held_bytes());
    let mut memory = Object::new();
    // Objects that are held, bounded by `KEYWARD_CACHE_BYTES`, and WebAssembly's memory, which never shrinks.
    memory.number("cache_bytes", Some(cache_bytes as u64));
    memory.number("wasm_bytes", Some(wasm_bytes as u64));
    let mut status = Object::new();
    status.number("generation", head.map(|head| head.generation));
    status.text("issued_at", head.map(|head| rfc3339(head.issued_at)).as_deref());
    status.text("expires_at", head.map(|head| rfc3339(head.expires_at)).as_deref());
    status.number("age_seconds", head.map(|head| now.saturating_sub(head.issued_at) / 1000));
    status.text("state", Some(isolate.map_or("none", |isolate| isolate.state(now).as_str())));
    status.text("version", Some(env!("CARGO_PKG_VERSION")));
    status.text("audit_checkpoint", checkpoint.as_deref());
    status.number("epoch", head.map(|head| head.epoch));
    status.number("tree_generation", head.map(|head| head.tree_generation));
    status.number("rollbacks_ignored", Some(isolate.map_or(0, |isolate| isolate.rollbacks_ignored)));
    status.object("memory", memory);
    status.finish()
}
