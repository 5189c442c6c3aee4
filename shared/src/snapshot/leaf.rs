//! A leaf: the records of one prefix, sorted and of fixed width, and the policies they share.
//!
//! ```text
//! header (kind `KWLF`) · policies · count 4 · record 40 …
//! record: fingerprint 16 · key 8 · member 8 · deadline 4 · policy index 3 · slot and flags 1
//! ```
//!
//! A leaf keeps the bytes it was read from and finds records in them; nothing is copied out.

use super::error::{DecodeError, EncodeError};
use super::object::{self, MAX_OBJECT_BYTES, Origin, Place, Stamp};
use super::policies::{self, PolicyTable};
use crate::fingerprint::Fingerprint;
use crate::policy::Policy;
use crate::record::Record;
use crate::wire::{Reader, Write as _};

/// Size aimed at, in bytes, when the tree's shape is chosen.
pub const TARGET_LEAF_BYTES: usize = 32 * 1024;
/// Size that edges refuse to load above: 1 MiB.
pub const MAX_LEAF_BYTES: usize = MAX_OBJECT_BYTES;
/// Bytes of one record.
pub const RECORD_BYTES: usize = 40;

const KIND: [u8; 4] = *b"KWLF";

/// A leaf as an edge holds it.
pub struct Leaf {
    bytes: Box<[u8]>,
    records_at: usize,
    policies: Box<[Policy]>,
    policies_bytes: usize,
    stamp: Stamp,
}

impl Leaf {
    /// Reads the leaf that was asked for at `place`. All of it is checked here, so that looking up
    /// cannot fail.
    pub fn decode(bytes: Box<[u8]>, origin: Origin<'_>, place: Place) -> Result<Self, DecodeError> {
        object::check_size(&bytes, MAX_LEAF_BYTES)?;
        let mut reader = Reader::new(&bytes);
        let stamp = object::read_header(&mut reader, KIND, origin, place)?;
        let policies = policies::read(&mut reader)?;
        let count = reader.u32()? as usize;
        let records_at = reader.position();
        let records = reader.rest();
        if records.len() != count.saturating_mul(RECORD_BYTES) {
            return Err(DecodeError::Meaningless { what: "record count" });
        }
        let mut previous = None;
        for bytes in records.chunks_exact(RECORD_BYTES) {
            let (fingerprint, _, policy) =
                read_record(bytes).ok_or(DecodeError::Meaningless { what: "record flags" })?;
            if policy >= policies.len() {
                return Err(DecodeError::Meaningless { what: "record policy" });
            }
            if !place.covers(&fingerprint) || previous.is_some_and(|previous| previous >= fingerprint) {
                return Err(DecodeError::Meaningless { what: "record order" });
            }
            previous = Some(fingerprint);
        }
        Ok(Self { records_at, policies_bytes: policies.iter().map(Policy::held_bytes).sum(), policies, stamp, bytes })
    }

    /// The record of `fingerprint` and its policy.
    pub fn find(&self, fingerprint: &Fingerprint) -> Option<(Record, &Policy)> {
        let (records, _) = self.bytes.get(self.records_at..)?.as_chunks::<RECORD_BYTES>();
        let at = records.binary_search_by(|record| record[..Fingerprint::LEN].cmp(fingerprint.as_bytes())).ok()?;
        let (_, record, policy) = read_record(&records[at])?;
        Some((record, self.policies.get(policy)?))
    }

    /// All records in order.
    pub fn records(&self) -> impl Iterator<Item = (Fingerprint, Record, &Policy)> {
        let records = self.bytes.get(self.records_at..).unwrap_or_default();
        records.chunks_exact(RECORD_BYTES).filter_map(|bytes| {
            let (fingerprint, record, policy) = read_record(bytes)?;
            Some((fingerprint, record, self.policies.get(policy)?))
        })
    }

    /// How many records it has.
    pub const fn len(&self) -> usize {
        (self.bytes.len() - self.records_at) / RECORD_BYTES
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When it was built.
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Bytes it takes in memory.
    pub const fn held_bytes(&self) -> usize {
        self.bytes.len() + size_of::<Self>() + self.policies_bytes
    }
}

/// Collects the records of one place, in order, and makes the leaf's bytes.
pub struct LeafBuilder {
    place: Place,
    policies: PolicyTable,
    records: Vec<u8>,
    last: Option<Fingerprint>,
}

impl LeafBuilder {
    /// A leaf for `place`, empty yet.
    pub fn new(place: Place) -> Self {
        Self { place, policies: PolicyTable::default(), records: Vec::new(), last: None }
    }

    /// Adds a record; fingerprints come in ascending order.
    pub fn push(&mut self, fingerprint: Fingerprint, record: &Record, policy: &Policy) -> Result<(), EncodeError> {
        if !self.place.covers(&fingerprint) || self.last.is_some_and(|last| last >= fingerprint) {
            return Err(EncodeError::Order);
        }
        let policy = self.policies.index_of(policy)?;
        self.last = Some(fingerprint);
        self.records.put(fingerprint.as_bytes());
        self.records.put(&record.key.as_u64().to_be_bytes());
        self.records.put(&record.member.as_u64().to_be_bytes());
        self.records.put(&record.deadline.to_u32().to_be_bytes());
        self.records.put(&(policy << 8 | u32::from(record.flags())).to_be_bytes());
        Ok(())
    }

    /// The leaf's bytes, refused where edges would not load them.
    pub fn finish(self, origin: Origin<'_>, stamp: Stamp) -> Result<Vec<u8>, EncodeError> {
        let mut out = object::write_header(KIND, origin, self.place, stamp)?;
        let got = out.len() + self.policies.encoded_len() + 4 + self.records.len();
        if got > MAX_LEAF_BYTES {
            return Err(EncodeError::TooLarge { what: "leaf bytes", got, max: MAX_LEAF_BYTES });
        }
        out.reserve_exact(got - out.len());
        self.policies.write(&mut out);
        let count = self.records.len() / RECORD_BYTES;
        out.put(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
        out.put(&self.records);
        Ok(out)
    }
}

fn read_record(bytes: &[u8]) -> Option<(Fingerprint, Record, usize)> {
    let mut reader = Reader::new(bytes);
    let fingerprint = Fingerprint::from_bytes(reader.array().ok()?);
    let (key, member) = (reader.u64().ok()?, reader.u64().ok()?);
    let deadline = reader.u32().ok()?;
    let [a, b, c, flags] = reader.array().ok()?;
    let record = Record::from_parts(key, member, deadline, flags)?;
    Some((fingerprint, record, u32::from_be_bytes([0, a, b, c]) as usize))
}
