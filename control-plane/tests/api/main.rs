//! The REST API over the real database, asked through its router.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod apis;
mod audit;
mod audit_proof;
mod bad_input;
mod bulk;
mod call;
mod conditions;
mod denied;
mod edges;
mod explain;
mod exports;
mod faults;
mod frame;
mod gaps;
mod generations;
mod holders;
mod idempotency;
mod import;
mod keys;
mod lane;
mod lists;
mod lookup;
mod mailed;
mod members;
mod mutations;
mod offboarding;
mod openapi;
mod permissions;
mod prefer;
mod qr;
mod refused;
mod replays;
mod reports;
mod reveal;
mod rotation;
mod secrecy;
mod service;
mod settings;
mod sign_ins;
mod table;
mod teams;
mod tokens;
mod usage;
mod workspaces;
