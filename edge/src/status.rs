//! `GET /.keyward/status`: what this isolate holds, for people and monitors. No secret, no key.

use crate::isolate::Isolate;

#[derive(serde::Serialize)]
struct Status<'a> {
    generation: Option<u64>,
    issued_at: Option<String>,
    expires_at: Option<String>,
    age_seconds: Option<u64>,
    state: &'a str,
    version: &'a str,
    audit_checkpoint: Option<String>,
    epoch: Option<u64>,
    tree_generation: Option<u64>,
    rollbacks_ignored: u64,
    memory: Memory,
}

/// What the isolate takes of its memory, in bytes.
#[derive(serde::Serialize)]
struct Memory {
    /// Objects that are held, bounded by `KEYWARD_CACHE_BYTES`.
    cache_bytes: usize,
    /// WebAssembly's memory, which never shrinks.
    wasm_bytes: usize,
}

/// The body, its times written by `rfc3339`.
pub(crate) fn body(
    isolate: Option<&Isolate>,
    now: u64,
    wasm_bytes: usize,
    rfc3339: impl Fn(u64) -> String,
) -> serde_json::Result<String> {
    let head = isolate.and_then(Isolate::head);
    serde_json::to_string(&Status {
        generation: head.map(|head| head.generation),
        issued_at: head.map(|head| rfc3339(head.issued_at)),
        expires_at: head.map(|head| rfc3339(head.expires_at)),
        age_seconds: head.map(|head| now.saturating_sub(head.issued_at) / 1000),
        state: isolate.map_or("none", |isolate| isolate.state(now).as_str()),
        version: env!("CARGO_PKG_VERSION"),
        audit_checkpoint: head
            .filter(|head| !head.checkpoint.is_empty())
            .map(|head| String::from_utf8_lossy(&head.checkpoint).into_owned()),
        epoch: head.map(|head| head.epoch),
        tree_generation: head.map(|head| head.tree_generation),
        rollbacks_ignored: isolate.map_or(0, |isolate| isolate.rollbacks_ignored),
        memory: Memory { cache_bytes: isolate.map_or(0, |isolate| isolate.replica.held_bytes()), wasm_bytes },
    })
}
