//! A node: the names of its children.
//!
//! ```text
//! header (kind `KWND`) · bits 1 · name 32 × 2^bits
//! ```

use super::error::DecodeError;
use super::name::ObjectName;
use super::object::{self, Origin, Place, Stamp};
use super::tree::MAX_LEVEL_BITS;
use crate::fingerprint::Fingerprint;
use crate::wire::{Reader, Write as _};

const KIND: [u8; 4] = *b"KWND";
const MAX_NODE_BYTES: usize = 8 * 1024;

/// The names of 2^bits children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    depth: u8,
    bits: u8,
    children: Box<[ObjectName]>,
    stamp: Stamp,
}

impl Node {
    /// The bytes of the node at `place` whose children, `bits` deeper, have these names; `None`
    /// where there are not 2^bits names, or the deployment's name is too long.
    pub fn encode(
        origin: Origin<'_>,
        place: Place,
        stamp: Stamp,
        bits: u8,
        children: &[ObjectName],
    ) -> Option<Vec<u8>> {
        if !(1..=MAX_LEVEL_BITS).contains(&bits) || children.len() != 1 << bits {
            return None;
        }
        let mut out = object::write_header(KIND, origin, place, stamp).ok()?;
        out.push(bits);
        for name in children {
            out.put(name.as_bytes());
        }
        Some(out)
    }

    /// Reads the node that was asked for at `place`.
    pub fn decode(bytes: &[u8], origin: Origin<'_>, place: Place) -> Result<Self, DecodeError> {
        object::check_size(bytes, MAX_NODE_BYTES)?;
        let mut reader = Reader::new(bytes);
        let stamp = object::read_header(&mut reader, KIND, origin, place)?;
        let bits = reader.u8()?;
        if !(1..=MAX_LEVEL_BITS).contains(&bits) {
            return Err(DecodeError::Meaningless { what: "node bits" });
        }
        let children =
            (0..1_usize << bits).map(|_| reader.array().map(ObjectName::from_bytes)).collect::<Result<_, _>>()?;
        object::finish(&reader)?;
        Ok(Self { depth: place.depth, bits, children, stamp })
    }

    /// The place and name of the child on the way to `fingerprint`, which the node covers.
    pub fn child_towards(&self, fingerprint: &Fingerprint) -> Option<(Place, ObjectName)> {
        let place = Place::of(fingerprint, self.depth + self.bits);
        let index = place.prefix as usize & ((1 << self.bits) - 1);
        self.children.get(index).map(|&name| (place, name))
    }

    /// How many bits its children lie deeper.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// Its children's names.
    pub fn children(&self) -> &[ObjectName] {
        &self.children
    }

    /// When it was built.
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Bytes it takes in memory beside itself.
    pub const fn held_bytes(&self) -> usize {
        self.children.len() * ObjectName::LEN
    }
}
