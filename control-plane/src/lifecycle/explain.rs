//! Explain a verdict: why, and who changed what before.
