//! What is asked of a database about a batch of keys that are brought: in sets, so that a batch costs a few
//! statements and not some for each line.

/// A batch, within a transaction.
pub trait ImportTx: Send {}
