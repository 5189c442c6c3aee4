//! Reveal a key: show its secret again, where the workspace lets that be.
