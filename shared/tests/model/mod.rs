//! A small model of the control plane: a plain map that is the truth, and a publisher that turns its
//! changes into heads and objects as the real one does, bounded tightly so that everything that
//! takes a busy deployment happens within a few steps.

mod publisher;
mod tree;
mod truth;

pub(crate) use publisher::{Publish, Publisher};
pub(crate) use truth::{Change, State, Truth, fingerprints, widens};
