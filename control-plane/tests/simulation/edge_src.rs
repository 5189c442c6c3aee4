//! The edge's own rules of when to ask which lane, what to load ahead, and how long anything may take: pure
//! files of a crate that is built for another platform.

#[path = "../../../edge/src/freshness.rs"]
pub(crate) mod freshness;
#[path = "../../../edge/src/lanes.rs"]
pub(crate) mod lanes;
#[path = "../../../edge/src/limits.rs"]
#[expect(dead_code, unreachable_pub, reason = "the rim's as well, which are the crate's to tell")]
pub(crate) mod limits;
#[path = "../../../edge/src/warming.rs"]
pub(crate) mod warming;
