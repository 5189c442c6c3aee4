//! Batches of keys that are brought.
