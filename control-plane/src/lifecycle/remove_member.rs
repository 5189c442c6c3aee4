//! Remove a member, with their keys and tokens. Final.
