//! The REST API over the real database, asked through its router.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod apis;
mod bad_input;
mod conditions;
mod faults;
mod frame;
mod idempotency;
mod keys;
mod lane;
mod lists;
mod permissions;
mod rotation;
mod service;
mod settings;
mod workspaces;
