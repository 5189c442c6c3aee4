//! Members' tokens.
