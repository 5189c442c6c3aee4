//! What the snapshot, the credentials and the decision promise, tested from outside of the crate.
//!
//! One program: the parts share fixtures and are linked once.

mod arbitrary;
mod bounds;
mod decide;
mod fixtures;
mod formats;
mod golden;
mod held;
mod malformed;
mod model;
mod policy_view;
mod replica;
mod replica_rules;
mod report;
mod robustness;
