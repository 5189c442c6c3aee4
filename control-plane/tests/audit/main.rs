//! The audit log against whoever has the database: what was changed is found and named.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod chance;
mod command;
mod exports;
mod kept_log;
mod preface;
mod pruning;
mod restored;
mod tamper;
mod tampered_exports;
mod tampering;
mod words;
