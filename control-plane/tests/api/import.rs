//! Keys that are brought, a line each.
