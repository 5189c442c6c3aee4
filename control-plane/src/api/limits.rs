//! The limits of requests, as opposed to those of what may be stored (`domain::limits`).

/// Bytes of a request's body.
pub const BODY_BYTES: usize = 256 * 1024;

/// Bytes of a query string.
pub const QUERY_BYTES: usize = 8 * 1024;

/// Seconds that one request may take.
pub const REQUEST_SECONDS: u64 = 30;

/// Seconds that running requests get when the server is stopped.
pub const SHUTDOWN_SECONDS: u64 = 10;

/// Name, value and unit of every limit above, for the docs.
pub const TABLE: &[(&str, u64, &str)] = &[
    ("body of a request", BODY_BYTES as u64, "bytes"),
    ("query string", QUERY_BYTES as u64, "bytes"),
    ("one request", REQUEST_SECONDS, "seconds"),
    ("running requests at a stop", SHUTDOWN_SECONDS, "seconds"),
];
