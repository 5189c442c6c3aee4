//! The REST API over the real database, asked through its router.

mod apis;
mod bad_input;
mod conditions;
mod frame;
mod idempotency;
mod keys;
mod lane;
mod lists;
mod rotation;
mod service;
mod settings;
mod workspaces;
