//! Bulk: disable, enable or delete many keys at once.
