//! A leaf: the records of one prefix, sorted and of fixed width, and the policies they share.
//!
//! ```text
//! header (kind `KWLF`) · policies · count 4 · record 40 …
//! record: fingerprint 16 · key 8 · member 8 · deadline 4 · policy index 3 · slot and flags 1
//! ```
//!
//! A leaf keeps the bytes it was read from and nothing else: with a policy of its own for nearly every
//! key, anything more would outweigh the keys. Once all is checked, each record's policy index is
//! replaced by the position of that policy, so that a lookup goes straight from the one to the other.

use core::cmp::Ordering;

use super::error::{DecodeError, EncodeError};
use super::object::{self, MAX_OBJECT_BYTES, Origin, Place, Stamp};
use super::policies::{self, PolicyTable};
use crate::fingerprint::Fingerprint;
use crate::policy::{Policy, PolicyRef};
use crate::record::Record;
use crate::wire::{Reader, Write as _};

/// Size aimed at, in bytes, when the tree's shape is chosen.
pub const TARGET_LEAF_BYTES: usize = 32 * 1024;
/// Size that edges refuse to load above: 1 MiB.
pub const MAX_LEAF_BYTES: usize = MAX_OBJECT_BYTES;
/// Bytes of one record.
pub const RECORD_BYTES: usize = 40;

const KIND: [u8; 4] = *b"KWLF";

/// Where the policy index of a record lies, and the flags behind it. A position fits in as many bytes,
/// since [`MAX_LEAF_BYTES`] does.
const POLICY_AT: usize = RECORD_BYTES - 4;
const FLAGS_AT: usize = RECORD_BYTES - 1;
/// How often a record's place is reckoned before it is searched for by halving. Three are the rule.
const MAX_GUESSES: usize = 8;

/// A leaf as an edge holds it.
pub struct Leaf {
    bytes: Box<[u8]>,
    records_at: u32,
    depth: u8,
    stamp: Stamp,
}

impl Leaf {
    /// Reads the leaf that was asked for at `place`. All of it is checked here, so that looking up
    /// cannot fail.
    pub fn decode(mut bytes: Box<[u8]>, origin: Origin<'_>, place: Place) -> Result<Self, DecodeError> {
        object::check_size(&bytes, MAX_LEAF_BYTES)?;
        let mut reader = Reader::new(&bytes);
        let stamp = object::read_header(&mut reader, KIND, origin, place)?;
        let policies = policies::read(&mut reader, |at, _| u32::try_from(at).unwrap_or(u32::MAX))?;
        let count = reader.u32()? as usize;
        let records_at = reader.position();
        let (records, rest) = bytes.get_mut(records_at..).unwrap_or_default().as_chunks_mut::<RECORD_BYTES>();
        if records.len() != count || !rest.is_empty() {
            return Err(DecodeError::Meaningless { what: "record count" });
        }
        let mut previous = None;
        for bytes in records {
            let (fingerprint, _, policy) =
                read_record(bytes).ok_or(DecodeError::Meaningless { what: "record flags" })?;
            let policy_at = policies.get(policy).ok_or(DecodeError::Meaningless { what: "record policy" })?;
            if !place.covers(&fingerprint) || previous.is_some_and(|previous| previous >= fingerprint) {
                return Err(DecodeError::Meaningless { what: "record order" });
            }
            bytes[POLICY_AT..FLAGS_AT].copy_from_slice(&policy_at.to_be_bytes()[1..]);
            previous = Some(fingerprint);
        }
        let records_at = u32::try_from(records_at).unwrap_or(u32::MAX);
        Ok(Self { bytes, records_at, depth: place.depth, stamp })
    }

    /// The record of `fingerprint` and its policy.
    pub fn find(&self, fingerprint: &Fingerprint) -> Option<(Record, PolicyRef<'_>)> {
        self.at(self.position(fingerprint)?)
    }

    /// All records in order.
    pub fn records(&self) -> impl Iterator<Item = (Fingerprint, Record, PolicyRef<'_>)> {
        self.rows().iter().filter_map(|row| {
            let (fingerprint, record, policy_at) = read_record(row)?;
            Some((fingerprint, record, policies::at(&self.bytes, policy_at)?))
        })
    }

    /// Which of the records is that of `fingerprint`. Fingerprints are spread evenly, so where one lies
    /// is known but for a few records; each guess is as far off as the spread between it and the last.
    pub(super) fn position(&self, fingerprint: &Fingerprint) -> Option<usize> {
        let rows = self.rows();
        let expected = |fingerprint: &[u8]| {
            let (word, _) = fingerprint.split_first_chunk().unwrap_or((&[0; 8], &[]));
            let spread = (u64::from_be_bytes(*word) << self.depth) >> 32;
            usize::try_from((spread * rows.len() as u64) >> 32).unwrap_or(usize::MAX)
        };
        let wanted = fingerprint.as_bytes();
        let aim = expected(wanted);
        let (mut from, mut to, mut guess) = (0, rows.len(), aim);
        for _ in 0..MAX_GUESSES {
            guess = guess.min(to.checked_sub(1)?).max(from);
            let got = rows.get(from..to)?.get(guess - from)?.get(..Fingerprint::LEN)?;
            match got.cmp(wanted) {
                Ordering::Equal => return Some(guess),
                Ordering::Less => {
                    from = guess + 1;
                    guess += aim.saturating_sub(expected(got)).max(1);
                }
                Ordering::Greater => {
                    to = guess;
                    guess = guess.saturating_sub(expected(got).saturating_sub(aim).max(1));
                }
            }
        }
        let left = rows.get(from..to)?;
        left.binary_search_by(|row| row[..Fingerprint::LEN].cmp(wanted)).ok().map(|at| from + at)
    }

    /// The record at a position that [`Self::position`] gave.
    pub(super) fn record_at(&self, position: usize) -> Option<Record> {
        read_record(self.rows().get(position)?).map(|(_, record, _)| record)
    }

    /// The same with its policy.
    pub(super) fn at(&self, position: usize) -> Option<(Record, PolicyRef<'_>)> {
        let (_, record, policy_at) = read_record(self.rows().get(position)?)?;
        Some((record, policies::at(&self.bytes, policy_at)?))
    }

    fn rows(&self) -> &[[u8; RECORD_BYTES]] {
        self.bytes.get(self.records_at as usize..).unwrap_or_default().as_chunks().0
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.rows().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When it was built.
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Bytes it takes in memory beside itself.
    pub const fn held_bytes(&self) -> usize {
        self.bytes.len()
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

/// A record's fingerprint, what it says, and its policy, by index or by position.
fn read_record(bytes: &[u8; RECORD_BYTES]) -> Option<(Fingerprint, Record, usize)> {
    let mut reader = Reader::new(bytes);
    let fingerprint = Fingerprint::from_bytes(reader.array().ok()?);
    let (key, member) = (reader.u64().ok()?, reader.u64().ok()?);
    let deadline = reader.u32().ok()?;
    let [a, b, c, flags] = reader.array().ok()?;
    let record = Record::from_parts(key, member, deadline, flags)?;
    Some((fingerprint, record, u32::from_be_bytes([0, a, b, c]) as usize))
}
