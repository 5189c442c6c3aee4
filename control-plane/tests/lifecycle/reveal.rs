//! Secrets that stay, sealed, and where they end.
