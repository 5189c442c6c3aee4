//! Keyward's control plane: owns workspaces, keys, their rotation and the audit log, and publishes
//! snapshots for the edges.
//!
//! `domain` knows the rules and nothing else, `lifecycle` the use cases, `store` the database. The
//! outside, the clock and randomness are the business of what stands around them.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod entropy;
pub mod http_client;
pub mod lifecycle;
pub mod mail;
pub mod publish;
pub mod receipts;
pub mod secrets;
pub mod store;
pub mod verify;
