//! Secrets that are shown again, where a workspace lets that be.
