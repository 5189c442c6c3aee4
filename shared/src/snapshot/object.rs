//! What every object begins with: kind, version, deployment, place, pepper, and when it was built.
//!
//! ```text
//! kind 4 · version 1 · deployment 1+n · depth 1 · prefix 4 · pepper 8 · epoch 8 · generation 8
//! ```
//!
//! Embedding where and when an object was built makes a name that was given up never come back.

use super::error::{DecodeError, EncodeError};
use crate::fingerprint::{Fingerprint, PepperId};
use crate::wire::{Reader, Write as _};

/// Longest name of a deployment, in bytes.
pub const MAX_DEPLOYMENT_BYTES: usize = 64;
/// Largest object of any kind: 1 MiB.
pub const MAX_OBJECT_BYTES: usize = 1 << 20;

const VERSION: u8 = 1;

/// A place in the tree: all fingerprints whose first `depth` bits are `prefix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// How many leading bits, at most 32.
    pub depth: u8,
    /// Their value.
    pub prefix: u32,
}

impl Place {
    /// The place of everything.
    pub const ROOT: Self = Self { depth: 0, prefix: 0 };

    /// The place at `depth` that covers `fingerprint`.
    pub const fn of(fingerprint: &Fingerprint, depth: u8) -> Self {
        Self { depth, prefix: fingerprint.leading_bits(depth) }
    }

    /// Whether `fingerprint` is covered.
    pub const fn covers(self, fingerprint: &Fingerprint) -> bool {
        fingerprint.leading_bits(self.depth) == self.prefix
    }
}

/// When an object was last rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The publisher's epoch.
    pub epoch: u64,
    /// The generation.
    pub generation: u64,
}

/// What an object was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The deployment.
    pub deployment: &'a str,
    /// The pepper that fingerprints were made with.
    pub pepper: PepperId,
}

pub(super) fn write_header(
    kind: [u8; 4],
    origin: Origin<'_>,
    place: Place,
    stamp: Stamp,
) -> Result<Vec<u8>, EncodeError> {
    if origin.deployment.len() > MAX_DEPLOYMENT_BYTES {
        return Err(EncodeError::TooLarge {
            what: "deployment name bytes",
            got: origin.deployment.len(),
            max: MAX_DEPLOYMENT_BYTES,
        });
    }
    let mut out = Vec::with_capacity(128);
    out.put(&kind);
    out.push(VERSION);
    out.put_short(origin.deployment.as_bytes());
    out.push(place.depth);
    out.put(&place.prefix.to_be_bytes());
    out.put(&origin.pepper.as_u64().to_be_bytes());
    out.put(&stamp.epoch.to_be_bytes());
    out.put(&stamp.generation.to_be_bytes());
    Ok(out)
}

/// Reads a header and checks that it is of `kind`, `origin` and `place`.
pub(super) fn read_header(
    reader: &mut Reader<'_>,
    kind: [u8; 4],
    origin: Origin<'_>,
    place: Place,
) -> Result<Stamp, DecodeError> {
    read_kind(reader, kind, VERSION)?;
    if reader.short()? != origin.deployment.as_bytes() {
        return Err(DecodeError::Deployment);
    }
    let got = Place { depth: reader.u8()?, prefix: reader.u32()? };
    if got != place {
        return Err(DecodeError::Place { expected: place, got });
    }
    let pepper = PepperId::from_u64(reader.u64()?);
    if pepper != origin.pepper {
        return Err(DecodeError::Pepper { expected: origin.pepper, got: pepper });
    }
    Ok(Stamp { epoch: reader.u64()?, generation: reader.u64()? })
}

/// Reads the four bytes of the kind and the version behind them.
pub(super) fn read_kind(reader: &mut Reader<'_>, kind: [u8; 4], version: u8) -> Result<(), DecodeError> {
    let got = reader.array()?;
    if got != kind {
        return Err(DecodeError::Kind { expected: kind, got });
    }
    match reader.u8()? {
        got if got == version => Ok(()),
        got => Err(DecodeError::Version { expected: version, got }),
    }
}

/// Refuses bytes behind the end.
pub(super) fn finish(reader: &Reader<'_>) -> Result<(), DecodeError> {
    match reader.rest().len() {
        0 => Ok(()),
        extra => Err(DecodeError::Trailing { extra }),
    }
}

/// Refuses what is larger than `max` before anything is read.
pub(super) fn check_size(bytes: &[u8], max: usize) -> Result<(), DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLarge { got: bytes.len(), max });
    }
    Ok(())
}
