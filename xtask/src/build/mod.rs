//! Builds the parts: the native programs by cargo, the edge by worker-build.
//!
//! Must never know how the parts are started.

pub mod edge;
mod names;
pub mod native;
