//! The limits of requests, as opposed to those of what may be stored (`domain::limits`).

/// Bytes of a request's body.
pub const BODY_BYTES: usize = 256 * 1024;

/// Bytes of one line of an import, which as a whole has no limit.
pub const IMPORT_LINE_BYTES: usize = 64 * 1024;

/// What some programs write before a text in UTF-8. Before an import's first line it says nothing.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes of the lines of an import that are one transaction, most.
pub const IMPORT_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Seconds for each next piece of an import.
pub const IMPORT_PIECE_SECONDS: u64 = 30;

/// Bytes of an import's answer on disk: since its client last had read all of it.
pub const IMPORT_UNREAD_BYTES: u64 = 1 << 30;

/// Bytes of a query string.
pub const QUERY_BYTES: usize = 8 * 1024;

/// Bytes of a request's first line and header fields together.
pub const HEADER_BYTES: usize = 32 * 1024;

/// Connections at a time; further ones wait.
pub const CONNECTIONS: usize = 4_096;

/// Seconds for a request's head, from its connection's start or the answer before it.
pub const HEAD_SECONDS: u64 = 30;

/// Seconds that one request may take.
pub const REQUEST_SECONDS: u64 = 30;

/// Seconds that a client is heard out, most, that goes on sending after its request was answered.
pub const LINGER_SECONDS: u64 = 5;

/// Seconds for which a client may take nothing of its answer, and send nothing.
pub const UNREAD_SECONDS: u64 = 60;

/// Seconds that running requests get when the server is stopped.
pub const SHUTDOWN_SECONDS: u64 = 10;

/// Name, value and unit of every limit above, for the docs.
pub const TABLE: &[(&str, u64, &str)] = &[
    ("body of a request", BODY_BYTES as u64, "bytes"),
    ("one line of an import", IMPORT_LINE_BYTES as u64, "bytes"),
    ("lines of an import in one transaction, together", IMPORT_BATCH_BYTES as u64, "bytes"),
    ("arrival of each next piece of an import", IMPORT_PIECE_SECONDS, "seconds"),
    ("answer of an import, since its client last had read all of it", IMPORT_UNREAD_BYTES, "bytes"),
    ("query string", QUERY_BYTES as u64, "bytes"),
    ("headers of a request, the first line with them", HEADER_BYTES as u64, "bytes"),
    ("connections at a time", CONNECTIONS as u64, ""),
    ("arrival of a request's headers", HEAD_SECONDS, "seconds"),
    ("one request", REQUEST_SECONDS, "seconds"),
    ("what a client still sends after its answer, read and dropped for", LINGER_SECONDS, "seconds"),
    ("a client that takes nothing of its answer, and sends nothing", UNREAD_SECONDS, "seconds"),
    ("running requests at a stop", SHUTDOWN_SECONDS, "seconds"),
];
