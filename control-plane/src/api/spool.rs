//! A long answer on its way: kept in a file until the client reads it, so that neither waits for the
//! other and neither fills the memory.
