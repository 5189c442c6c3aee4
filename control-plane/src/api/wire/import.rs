//! The lines of an import and of its results.
