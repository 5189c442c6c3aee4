//! Bulk changes on the wire.
