//! What the edge and the control plane agree on byte for byte: key format,
//! credentials, fingerprints, the snapshot's encodings, and the decision.
//!
//! Architecture invariant: nothing here performs I/O, reads a clock, draws
//! randomness or is async. It is handed bytes and a time and returns a value,
//! so the same code runs in the Worker, in the control plane, under a fuzzer
//! and in a simulation.

pub mod api_key;
mod base62;
pub mod client_address;
pub mod credentials;
pub mod decision;
pub mod fingerprint;
pub mod id;
pub mod policy;
pub mod record;
mod referrer;
pub mod report;
pub mod route;
pub mod settings;
pub mod snapshot;
mod wire;
