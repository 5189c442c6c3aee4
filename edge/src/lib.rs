//! The Worker: judges each request from the snapshot it holds, and keeps that snapshot fresh.
//!
//! `entry.mjs` is the hot half: it calls [`judge`] once, synchronously, and answers or forwards.
//! What is rare is here and async: the cold start, loading an object, waiting for a newer head,
//! `/.keyward/*`.
//!
//! Architecture invariant: only `rim/` names the platform (bindings, fetch, timers, the clock). The
//! rest is plain Rust that tests run natively. No borrow of the isolate's state lives across an
//! `.await`, and no future of one request is awaited by another.

mod answer;
mod assertion;
mod config;
mod freshness;
mod isolate;
mod json;
mod lanes;
pub mod limits;
mod request;
mod rim;
mod status;
mod tally;
mod verdict;
mod warming;

pub use answer::{CAUSES, PROBLEMS, Problem};
pub use config::{CONFIG_TABLE, ConfigError, Variable};
pub use rim::exports::{
    ExecutionContext, challenge, input_at, judge, key_header, linear_memory, output_at, problem, refresh, report_at,
    report_sent, report_take, settle,
};
