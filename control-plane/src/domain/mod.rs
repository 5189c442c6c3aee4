//! The rules: what a key, a rotation, a workspace and an API are, and how each may change.
//!
//! Everything here is pure. It is handed values and a time and returns values or a typed refusal.
//! It must never know a clock, randomness, I/O, SQL or HTTP.

pub mod actor;
pub mod api;
pub mod audit;
pub mod change;
pub mod edit;
pub mod explain;
pub mod import;
pub mod invalid;
pub mod key;
pub mod limits;
pub mod member;
pub mod offboarding;
pub mod permission;
pub mod request_id;
pub mod restrictions;
pub mod route;
pub mod scope;
pub mod settings;
pub mod team;
pub mod text;
pub mod time;
pub mod token;
pub mod usage;
pub mod workspace;
