//! The edge's own rules of when to ask which lane: pure files of a crate that is built for another platform.

#[path = "../../../edge/src/freshness.rs"]
pub(crate) mod freshness;
#[path = "../../../edge/src/lanes.rs"]
pub(crate) mod lanes;
