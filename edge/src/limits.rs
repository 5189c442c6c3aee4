//! How long and how much a request may make the Worker wait, load and copy.

/// How long a request waits for a newer head, in milliseconds.
pub const HEAD_WAIT_MS: u64 = 500;
/// How long a request waits for the first head of all, in milliseconds: without one it can only be
/// refused.
pub const FIRST_HEAD_WAIT_MS: u64 = 2_000;
/// How long a request waits for objects, all of them together, in milliseconds.
pub const LOAD_MS: u64 = 1_000;
/// Objects that one isolate loads at once; further requests wait within the same time.
pub const MAX_LOADS: usize = 4;
/// Objects of the next tree that are loaded ahead at once, beside the lanes: six connections may wait.
pub const MAX_WARMED_AT_ONCE: usize = 2;
/// Objects that are loaded ahead in one invocation: 50 subrequests on the free plan.
pub const MAX_WARMED_IN_A_RUN: usize = 16;
/// Characters of a header that restrictions ask for; the entry cuts the rest.
pub const MAX_FACT_CHARS: usize = 2_048;
/// Bytes of each of the two buffers between the entry and WebAssembly.
pub const BUFFER_BYTES: usize = 4_096;
