//! Import a batch of keys: up to a thousand lines, one transaction.
