//! Secrets as QR codes.
