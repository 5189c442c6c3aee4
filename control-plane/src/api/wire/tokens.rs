//! Tokens on the wire.
