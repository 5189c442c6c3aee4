//! Look up a key by its secret, whatever became of it.
