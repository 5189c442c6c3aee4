//! Why a snapshot's bytes are not taken, or not made.

use super::ObjectName;
use super::object::Place;
use crate::fingerprint::PepperId;
use crate::policy::PolicyError;
use crate::wire::Truncated;

/// Why bytes from KV or from a lane are refused. None of these is a verdict on a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Larger than such a thing may be; nothing was read.
    #[error("{got} bytes, at most {max}")]
    TooLarge {
        /// Its size.
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
    /// Not the kind of thing that was asked for.
    #[error("kind {got:?}, expected {expected:?}")]
    Kind {
        /// What was asked for.
        expected: [u8; 4],
        /// What it says it is.
        got: [u8; 4],
    },
    /// A version of the format that this build does not read.
    #[error("format version {got}, this build reads {expected}")]
    Version {
        /// What this build reads.
        expected: u8,
        /// What it is.
        got: u8,
    },
    /// The bytes do not hash to the name they were asked by.
    #[error("the bytes are of {got}, not of {expected}")]
    Name {
        /// The name asked for.
        expected: ObjectName,
        /// The name of what came.
        got: ObjectName,
    },
    /// Of another deployment.
    #[error("of another deployment")]
    Deployment,
    /// For another place in the tree.
    #[error("for {got:?}, expected {expected:?}")]
    Place {
        /// The place asked for.
        expected: Place,
        /// The place it is for.
        got: Place,
    },
    /// Made with another pepper.
    #[error("made with pepper {got}, expected {expected}")]
    Pepper {
        /// The pepper of the head.
        expected: PepperId,
        /// The pepper it was made with.
        got: PepperId,
    },
    /// Signed with a key that is not trusted.
    #[error("signed with a key that is not trusted")]
    UntrustedKey,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
    /// A policy that cannot be read.
    #[error("policy {index}: {source}")]
    Policy {
        /// Its index in its table.
        index: usize,
        /// Why.
        source: PolicyError,
    },
    /// A value that has no meaning, or entries out of order.
    #[error("{what} has no meaning")]
    Meaningless {
        /// Which value.
        what: &'static str,
    },
}

/// Why something cannot be published: an edge would refuse to load it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Larger than edges load.
    #[error("{what}: {got}, at most {max}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How large it is, in the limit's unit.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// A text that is not visible ASCII and spaces.
    #[error("{what} must be visible ASCII")]
    NotAscii {
        /// What.
        what: &'static str,
    },
    /// A policy that cannot be encoded.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Values that contradict each other: the floors, the times, or the order of entries.
    #[error("{what} contradict each other")]
    Contradiction {
        /// Which values.
        what: &'static str,
    },
    /// Records out of order or outside of the leaf's prefix.
    #[error("records must be sorted, different, and of the leaf's prefix")]
    Order,
}
