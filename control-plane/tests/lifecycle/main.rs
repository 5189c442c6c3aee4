//! The use cases on a real SQLite file: what they answer, what they leave in the database, and what
//! they leave alone when they are refused.

mod apis;
mod atomicity;
mod audit;
mod bulk;
mod exports;
mod house;
mod idempotency;
mod import;
mod keys;
mod lists;
mod log;
mod mailed;
mod people;
mod refusals;
mod reported_refusals;
mod reveal;
mod rights;
mod rotations;
mod tokens;
mod workspaces;
