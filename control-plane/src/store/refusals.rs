//! What is kept of refusals that edges tell of: single ones for a while, and who was refused most on a day.
//!
//! Whose they were is a fingerprint or an address. A key itself never comes this far.

use std::net::IpAddr;

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::report::RefusalKind;

use crate::domain::time::{UnixDay, UnixMillis};

/// Most samples of refusals of known secrets that are kept, and as many of strangers: the newest.
pub const MAX_SAMPLES: u32 = 250_000;
/// How long a sample of a refusal is kept, in milliseconds.
pub const SAMPLE_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Most of a kind that are kept of a day.
pub const HITTERS_A_DAY: u16 = 1_000;
/// How long the sums of who was refused most on a day are kept, in milliseconds.
pub const HITTER_KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// One refusal that an edge told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalSample {
    /// When.
    pub at: UnixMillis,
    /// Why.
    pub kind: RefusalKind,
    /// Whose, where a key could be read.
    pub fingerprint: Option<Fingerprint>,
}

/// By what refusals are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// The fingerprint of the key that was shown, and the reason.
    Key,
    /// The client's address.
    Address,
}

/// Who is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedQuery {
    /// By what.
    pub by: RefusedBy,
    /// The first day: that on which it was reported.
    pub from: UnixDay,
    /// The day behind the last.
    pub to: UnixDay,
    /// How many are left out, those refused most.
    pub after: u32,
    /// Most that are given.
    pub limit: u16,
}

/// Who it was that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Whoever showed the key with this fingerprint, for this reason.
    Key(Fingerprint, RefusalKind),
    /// Whoever asked from this address.
    Address(IpAddr),
}

/// How often somebody was refused, at all edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Who.
    pub who: Who,
    /// How often, as far as edges told.
    pub count: u64,
    /// By how much that may be too high.
    pub error: u64,
    /// When it was told of last.
    pub last_at: UnixMillis,
}

/// Those that were refused most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MostRefused {
    /// They, the one refused most first.
    pub refused: Vec<Refused>,
    /// How often, at most, anybody was refused beyond what is told of them.
    pub untold: u64,
}
