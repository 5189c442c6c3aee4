//! A line of an import: what it says, and what it means for a key that is there.
