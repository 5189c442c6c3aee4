//! What is asked of a database about a secret that somebody holds, whatever became of its key.

/// A secret's key, read.
pub trait LookupStore: Send + Sync {}
