//! What an edge reports to the control plane: which heads it has applied, how it stands, what it counted.
//!
//! ```text
//! report:   envelope · body
//! envelope: kind `KWRP` 4 · version 1 · instance 10 · sequence 4 · flags 1 · location 1+n
//!         · addresses 1 { count 4 · error 4 · text 1+n }       flags: bit 0 lost, bit 1 held up
//! body:     since 8 · until 8 · lanes 1 (bit 0 KV, bit 1 http) · state 1 · software 1+n · peppers 1 { id 8 }
//!         · held { epoch 8 · generation 8 · issued_at 8 }      zeros without a head
//!         · applied 1 { epoch 8 · generation 8 · at 8 }
//!         · counters 1 { code 1 · count 4 }
//!         · usage 2 { fingerprint 8 · flags 1 · calls · refused · last_ago · first_denied_ago }
//!         · others { secrets 4 · calls 8 · refused 8 · last 8 · retiring 8 }
//!         · hitters 1 { fingerprint 16 · refusal 1 · count 4 · error 4 · first 4 · last 4 · last_ago }
//!         · samples 1 { ordinal 4 · refusal 1 · fingerprint 16 (zeros: none) · ago }
//! ```
//!
//! Integers are big-endian; those without a width are LEB128, in as few bytes as they take. Times are
//! milliseconds since the Unix epoch by the edge's clock, and `…_ago` milliseconds before `until`. The
//! envelope belongs to whoever sends and sends again, the body to whoever counted. A counter or refusal
//! that this build does not know is read over, so that an edge may be newer than its control plane.
//!
//! A report holds no key, and no fingerprint whole but of what was refused: eight bytes tell apart the
//! secrets that a deployment has.

mod counter;
mod decode;
mod encode;

pub use counter::{Counter, RefusalKind};

use crate::fingerprint::{Fingerprint, PepperId};
use crate::snapshot::HeadOrder;
use crate::wire::Truncated;

/// Largest report, in bytes. The fullest one is smaller.
pub const MAX_REPORT_BYTES: usize = 192 * 1024;
/// Most secrets whose usage is told one by one.
pub const MAX_USAGE: usize = 4_096;
/// Most applied heads.
pub const MAX_APPLIED: usize = 32;
/// Most refused secrets, by reason, that are told one by one.
pub const MAX_HITTERS: usize = 64;
/// Most single refusals.
pub const MAX_SAMPLES: usize = 128;
/// Most client addresses.
pub const MAX_ADDRESSES: usize = 32;
/// Longest name of a location, in bytes.
pub const MAX_LOCATION_BYTES: usize = 16;
/// Longest client address, in bytes (RFC 4291, section 2.2, the IPv4-mapped form).
pub const MAX_ADDRESS_BYTES: usize = 45;
/// Longest version of the software, in bytes.
pub const MAX_SOFTWARE_BYTES: usize = 32;
/// Most peppers that an edge knows at once.
pub const MAX_PEPPERS: usize = 2;
const MAX_COUNTERS: usize = 40;

const KIND: [u8; 4] = *b"KWRP";
const VERSION: u8 = 1;
const LANE_KV: u8 = 1;
const LANE_HTTP: u8 = 2;
const RETIRING: u8 = 1;
const BY_STATUS: u8 = 2;
const LOST: u8 = 1;
const HELD_UP: u8 = 2;

/// One report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose it is, and the how manieth.
    pub envelope: Envelope,
    /// What it says.
    pub body: Body,
}

/// Whose report it is. Written by whoever sends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// Drawn by chance when an instance begins, and the beginning of its request ids.
    pub instance: [u8; 10],
    /// Rises by one with each report of the instance, so that one sent twice counts once.
    pub sequence: u32,
    /// Something that was counted before this report was lost.
    pub lost: bool,
    /// Attempts to send it failed for longer than a minute, so that others may be gone with what they had to say.
    pub held_up: bool,
    /// Where the edge runs, in the platform's words: visible ASCII, empty where it does not tell.
    pub location: String,
    /// Client addresses that were refused most.
    pub addresses: Vec<RefusedAddress>,
}

/// How often requests from one client address were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedAddress {
    /// How often, at most.
    pub count: u32,
    /// By how much that may be too high.
    pub error: u32,
    /// The address, in visible ASCII.
    pub address: String,
}

/// What was counted between two times, and how the edge stood at the second.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// From when on it was counted.
    pub since: u64,
    /// Until when.
    pub until: u64,
    /// Where it reads heads from.
    pub lanes: Lanes,
    /// Whether its head was fresh enough.
    pub state: State,
    /// The version of its software, in visible ASCII.
    pub software: String,
    /// The peppers that it has.
    pub peppers: Vec<PepperId>,
    /// The head that it holds.
    pub held: Option<HeadOrder>,
    /// The heads that it began to judge by, in their order, the newest where there were more.
    pub applied: Vec<Applied>,
    /// What it counted.
    pub counters: Vec<(Counter, u32)>,
    /// Usage by secret.
    pub usage: Vec<Usage>,
    /// Usage of the secrets that found no place among those.
    pub others: OtherUsage,
    /// What was refused most.
    pub hitters: Vec<Hitter>,
    /// Single refusals.
    pub samples: Vec<Sample>,
}

/// The lanes that an edge reads heads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lanes {
    /// Workers KV.
    pub kv: bool,
    /// The http lane.
    pub http: bool,
}

/// Whether the head that an edge holds is fresh enough to judge by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// No head was ever had.
    #[default]
    None,
    /// Confirmed within the window.
    Fresh,
    /// Usable, unconfirmed.
    Stale,
    /// Past its `expires_at`.
    Expired,
}

impl State {
    /// Every state, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::None, Self::Fresh, Self::Stale, Self::Expired];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }
}

/// A head that an edge began to judge by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The head's epoch.
    pub epoch: u64,
    /// The head's generation.
    pub generation: u64,
    /// When.
    pub at: u64,
}

impl Applied {
    /// Its place in the order of heads, as far as it is told.
    const fn order(&self) -> (u64, u64) {
        (self.epoch, self.generation)
    }
}

/// How a secret was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The first eight bytes of its fingerprint.
    pub fingerprint: [u8; 8],
    /// It was judged as the retiring secret of a rotation.
    pub retiring: bool,
    /// Some of the refusals were for its status, as [`Reason::is_by_status`](crate::decision::Reason::is_by_status) says.
    pub refused_by_status: bool,
    /// Calls that were allowed.
    pub calls: u32,
    /// Calls that were refused.
    pub refused: u32,
    /// How long before [`Body::until`] the last allowed call came, in milliseconds; where none was allowed,
    /// the last of all.
    pub last_ago: u64,
    /// The same of the first refusal by status, if there was one. At least 1.
    pub first_denied_ago: Option<u64>,
}

/// How the secrets were used that found no place among [`Body::usage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OtherUsage {
    /// How many there were, at most.
    pub secrets: u32,
    /// Calls that were allowed.
    pub calls: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// When the last call came; 0 without one.
    pub last: u64,
    /// Calls, of all of these, by retiring secrets and by those that their status refused.
    pub retiring: u64,
}

/// How often one secret was refused for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hitter {
    /// Whose.
    pub fingerprint: Fingerprint,
    /// Why.
    pub refusal: RefusalKind,
    /// How often, at most.
    pub count: u32,
    /// By how much that may be too high.
    pub error: u32,
    /// The ordinal of the first of these requests.
    pub first: u32,
    /// The ordinal of the last.
    pub last: u32,
    /// How long before [`Body::until`] that was, in milliseconds.
    pub last_ago: u64,
}

/// One refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The how manieth request of the instance it was: the end of the request's id.
    pub ordinal: u32,
    /// Why.
    pub refusal: RefusalKind,
    /// Whose, where a key could be read.
    pub fingerprint: Option<Fingerprint>,
    /// How long before [`Body::until`] it was, in milliseconds.
    pub ago: u64,
}

/// Why bytes are no report, or a report cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// More than there may be.
    #[error("{what}: {got}, at most {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// The bytes end early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// Bytes behind the end.
    #[error("{extra} bytes behind the end")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// No report.
    #[error("kind {got:?}, expected {KIND:?}")]
    Kind {
        /// What it says it is.
        got: [u8; 4],
    },
    /// A version of the format that this build does not read.
    #[error("format version {got}, this build reads {VERSION}")]
    Version {
        /// What it is.
        got: u8,
    },
    /// A value that has no meaning.
    #[error("{what} has no meaning")]
    Meaningless {
        /// Which value.
        what: &'static str,
    },
}

/// Whether a number can be a time: one before the year 6430, which every calendar can write.
const fn is_time(milliseconds: u64) -> bool {
    milliseconds < 1 << 47
}

/// Whether a text can be told: visible ASCII.
fn is_visible(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}
