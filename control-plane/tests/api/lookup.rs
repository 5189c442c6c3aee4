//! Looking up a key by its secret.
