//! Explanations on the wire.
