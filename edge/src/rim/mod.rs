//! The rim: the only place of the Worker that names its platform.
//!
//! Exports to `entry.mjs`, Workers KV, fetch, timers, the clock, chance.

mod body;
pub(crate) mod exports;
mod http_lane;
mod kv;
mod objects;
mod own;
mod platform;
mod refresh;
mod settle;
mod warm;
