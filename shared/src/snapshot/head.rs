//! The head: the one small signed thing from which an edge reaches everything else.
//!
//! ```text
//! kind `KWHD` 4 · version 1 · key id 8 · signature 64 · body
//! body: epoch 8 · generation 8 · issued_at 8 · expires_at 8
//!     · tree_generation 8 · recent_since 8 · narrowed_since 8 · narrowed_through 8
//!     · settings 32 · ack_wanted 1 · checkpoint 2+n · tree · next 1 [· tree]
//!     · policies · entries 2 · entry …
//! entry: fingerprint 16 · generation 8 · kind 1 [· key 8 · member 8 · deadline 4 · policy 3 · flags 1]
//! ```
//!
//! Signed with Ed25519 (RFC 8032, verified strictly) over a tag, the deployment and the body, each
//! behind its length, so that no other signature of the same key can be taken for a head's.

use core::fmt;

use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::error::{DecodeError, EncodeError};
use super::name::ObjectName;
use super::object;
use super::policies::{self, PolicyTable};
use super::tree::Tree;
use crate::fingerprint::Fingerprint;
use crate::policy::{Policy, PolicyRef};
use crate::record::Record;
use crate::wire::{Reader, Write as _};

/// Largest head, in bytes.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Most entries of `recent`.
pub const MAX_RECENT_ENTRIES: usize = 512;
/// Most bytes of `recent`, its policies included.
pub const MAX_RECENT_BYTES: usize = 48 * 1024;
/// Most public keys that an edge trusts at once.
pub const MAX_TRUSTED_KEYS: usize = 4;

const KIND: [u8; 4] = *b"KWHD";
const VERSION: u8 = 1;
const TAG: &[u8] = b"keyward head v1";
const MAX_CHECKPOINT_BYTES: usize = 1024;
const MIN_ENTRY_BYTES: usize = 25;
/// Key, member, deadline, policy and flags of an entry that is no tombstone.
const RECORD_PART_BYTES: usize = 24;

/// A fingerprint that changed lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentEntry {
    /// Whose.
    pub fingerprint: Fingerprint,
    /// The generation of the change.
    pub generation: u64,
    /// What it is now, or `None` where it is gone.
    pub state: Option<(Record, Policy)>,
}

/// What a head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The publisher's epoch: raised each time the publisher's lease changes hands.
    pub epoch: u64,
    /// Everything up to here is in the tree or in `recent`.
    pub generation: u64,
    /// When it was signed, milliseconds since the Unix epoch; strictly increasing.
    pub issued_at: u64,
    /// From when on it is not used, milliseconds since the Unix epoch.
    pub expires_at: u64,
    /// Everything up to here is in the tree.
    pub tree_generation: u64,
    /// Every change after this is in `recent`.
    pub recent_since: u64,
    /// Every narrowing change after this is in `recent`.
    pub narrowed_since: u64,
    /// Narrowing changes up to here are in `recent`, ahead of `generation`.
    pub narrowed_through: u64,
    /// The settings object.
    pub settings: ObjectName,
    /// Somebody waits to hear which edges have applied this.
    pub ack_wanted: bool,
    /// The latest checkpoint of the audit log, opaque here.
    pub checkpoint: Vec<u8>,
    /// The tree.
    pub tree: Tree,
    /// The tree that is being built beside it, to be warmed.
    pub next: Option<Tree>,
    /// The latest changes, in the order of their fingerprints.
    pub recent: Vec<RecentEntry>,
}

/// A head's place in the one order that edges follow: epoch, generation, time of issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeadOrder {
    /// The publisher's epoch.
    pub epoch: u64,
    /// The generation.
    pub generation: u64,
    /// Milliseconds since the Unix epoch.
    pub issued_at: u64,
}

impl Head {
    /// Its place in the order.
    pub const fn order(&self) -> HeadOrder {
        HeadOrder { epoch: self.epoch, generation: self.generation, issued_at: self.issued_at }
    }

    /// The entry of `fingerprint` in `recent`.
    pub fn recent_entry(&self, fingerprint: &Fingerprint) -> Option<&RecentEntry> {
        let at = self.recent.binary_search_by(|entry| entry.fingerprint.cmp(fingerprint)).ok()?;
        self.recent.get(at)
    }

    /// Signs the head. What an edge would refuse to load is refused here.
    pub fn sign(&self, deployment: &str, key: &SigningKey) -> Result<SignedHead, EncodeError> {
        let body = self.encode_body()?;
        let mut out = Vec::with_capacity(KIND.len() + 1 + 8 + Signature::BYTE_SIZE + body.len());
        out.put(&KIND);
        out.push(VERSION);
        out.put(&key.public().id().0);
        out.put(&key.0.sign(&signed_message(deployment, &body)).to_bytes());
        out.put(&body);
        if out.len() > MAX_HEAD_BYTES {
            return Err(EncodeError::TooLarge { what: "head bytes", got: out.len(), max: MAX_HEAD_BYTES });
        }
        Ok(SignedHead(out))
    }

    /// Reads and verifies a head: size first, then the signature, then the rest.
    pub fn verify(bytes: &[u8], deployment: &str, trusted: &TrustedKeys) -> Result<Self, DecodeError> {
        object::check_size(bytes, MAX_HEAD_BYTES)?;
        let mut reader = Reader::new(bytes);
        object::read_kind(&mut reader, KIND, VERSION)?;
        let id = PublicKeyId(reader.array()?);
        let key = trusted.0.iter().find(|key| key.id() == id).ok_or(DecodeError::UntrustedKey)?;
        let signature = Signature::from_bytes(&reader.array()?);
        let body = reader.rest();
        key.0.verify_strict(&signed_message(deployment, body), &signature).map_err(|_| DecodeError::Signature)?;
        Self::decode_body(body)
    }

    /// Bytes that `recent` takes without an entry: both of its counts.
    pub const RECENT_FIXED_BYTES: usize = 6;

    /// Bytes that one entry takes, its policy apart; `live` tells an entry from a tombstone.
    pub const fn recent_entry_bytes(live: bool) -> usize {
        if live { MIN_ENTRY_BYTES + RECORD_PART_BYTES } else { MIN_ENTRY_BYTES }
    }

    /// Bytes that a policy of `encoded` bytes takes; entries share it.
    pub const fn recent_policy_bytes(encoded: usize) -> usize {
        2 + encoded
    }

    /// Bytes that `entries` take within a head, their policies included.
    pub fn recent_bytes<'a>(entries: impl IntoIterator<Item = &'a RecentEntry>) -> Result<usize, EncodeError> {
        let mut policies = PolicyTable::default();
        let mut bytes = Self::RECENT_FIXED_BYTES - PolicyTable::default().encoded_len();
        for entry in entries {
            bytes += Self::recent_entry_bytes(entry.state.is_some());
            if let Some((_, policy)) = &entry.state {
                policies.index_of(policy)?;
            }
        }
        Ok(bytes + policies.encoded_len())
    }

    /// What of the head contradicts itself, if anything does. Who signs asks as well as who reads,
    /// so that nothing is published that edges refuse.
    fn contradiction(&self) -> Option<&'static str> {
        let floors =
            [self.narrowed_since, self.recent_since, self.tree_generation, self.generation, self.narrowed_through];
        let whole = |tree: &Tree| tree.top.len() == tree.shape.top_len();
        if !floors.is_sorted() {
            Some("generations")
        } else if self.issued_at >= self.expires_at {
            Some("times")
        } else if !whole(&self.tree) || !self.next.iter().all(whole) {
            Some("tree top")
        } else if !self.recent.is_sorted_by(|a, b| a.fingerprint < b.fingerprint) {
            Some("recent order")
        } else if self.recent.iter().any(|entry| entry.generation > self.narrowed_through) {
            Some("recent generations")
        } else {
            None
        }
    }

    fn encode_body(&self) -> Result<Vec<u8>, EncodeError> {
        if let Some(what) = self.contradiction() {
            return Err(EncodeError::Contradiction { what });
        }
        let mut out = Vec::with_capacity(4096);
        for number in [
            self.epoch,
            self.generation,
            self.issued_at,
            self.expires_at,
            self.tree_generation,
            self.recent_since,
            self.narrowed_since,
            self.narrowed_through,
        ] {
            out.put(&number.to_be_bytes());
        }
        out.put(self.settings.as_bytes());
        out.push(u8::from(self.ack_wanted));
        within("checkpoint bytes", self.checkpoint.len(), MAX_CHECKPOINT_BYTES)?;
        out.put_long(&self.checkpoint);
        self.tree.write(&mut out);
        out.push(u8::from(self.next.is_some()));
        if let Some(next) = &self.next {
            next.write(&mut out);
        }
        let before = out.len();
        within("recent entries", self.recent.len(), MAX_RECENT_ENTRIES)?;
        let mut policies = PolicyTable::default();
        let mut entries = Vec::new();
        for entry in &self.recent {
            entries.put(entry.fingerprint.as_bytes());
            entries.put(&entry.generation.to_be_bytes());
            let Some((record, policy)) = &entry.state else {
                entries.push(0);
                continue;
            };
            entries.push(1);
            entries.put(&record.key.as_u64().to_be_bytes());
            entries.put(&record.member.as_u64().to_be_bytes());
            entries.put(&record.deadline.to_u32().to_be_bytes());
            entries.put(&(policies.index_of(policy)? << 8 | u32::from(record.flags())).to_be_bytes());
        }
        policies.write(&mut out);
        out.put(&u16::try_from(self.recent.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.put(&entries);
        within("recent bytes", out.len() - before, MAX_RECENT_BYTES)?;
        Ok(out)
    }

    fn decode_body(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let (epoch, generation) = (reader.u64()?, reader.u64()?);
        let (issued_at, expires_at) = (reader.u64()?, reader.u64()?);
        let (tree_generation, recent_since) = (reader.u64()?, reader.u64()?);
        let (narrowed_since, narrowed_through) = (reader.u64()?, reader.u64()?);
        let settings = ObjectName::from_bytes(reader.array()?);
        let ack_wanted = flag(&mut reader, "ack_wanted")?;
        let checkpoint = reader.long()?;
        if checkpoint.len() > MAX_CHECKPOINT_BYTES {
            return Err(DecodeError::Meaningless { what: "checkpoint" });
        }
        let tree = Tree::read(&mut reader)?;
        let next = if flag(&mut reader, "next")? { Some(Tree::read(&mut reader)?) } else { None };
        let before = reader.position();
        let policies = policies::read(&mut reader, |_, policy| policy)?;
        let count = usize::from(reader.u16()?);
        if count > MAX_RECENT_ENTRIES || reader.rest().len() < count * MIN_ENTRY_BYTES {
            return Err(DecodeError::Meaningless { what: "recent count" });
        }
        let recent: Vec<_> = (0..count).map(|_| read_entry(&mut reader, &policies)).collect::<Result<_, _>>()?;
        object::finish(&reader)?;
        if reader.position() - before > MAX_RECENT_BYTES {
            return Err(DecodeError::Meaningless { what: "recent size" });
        }
        let head = Self {
            epoch,
            generation,
            issued_at,
            expires_at,
            tree_generation,
            recent_since,
            narrowed_since,
            narrowed_through,
            settings,
            ack_wanted,
            checkpoint: checkpoint.to_vec(),
            tree,
            next,
            recent,
        };
        match head.contradiction() {
            Some(what) => Err(DecodeError::Meaningless { what }),
            None => Ok(head),
        }
    }
}

fn read_entry(reader: &mut Reader<'_>, policies: &[PolicyRef<'_>]) -> Result<RecentEntry, DecodeError> {
    let fingerprint = Fingerprint::from_bytes(reader.array()?);
    let generation = reader.u64()?;
    if !flag(reader, "recent kind")? {
        return Ok(RecentEntry { fingerprint, generation, state: None });
    }
    let (key, member, deadline) = (reader.u64()?, reader.u64()?, reader.u32()?);
    let [a, b, c, flags] = reader.array()?;
    let record =
        Record::from_parts(key, member, deadline, flags).ok_or(DecodeError::Meaningless { what: "recent flags" })?;
    let policy = policies
        .get(u32::from_be_bytes([0, a, b, c]) as usize)
        .ok_or(DecodeError::Meaningless { what: "recent policy" })?;
    Ok(RecentEntry { fingerprint, generation, state: Some((record, policy.to_policy())) })
}

fn flag(reader: &mut Reader<'_>, what: &'static str) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Meaningless { what }),
    }
}

const fn within(what: &'static str, got: usize, max: usize) -> Result<(), EncodeError> {
    if got > max { Err(EncodeError::TooLarge { what, got, max }) } else { Ok(()) }
}

fn signed_message(deployment: &str, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(TAG.len() + deployment.len() + body.len() + 24);
    for part in [TAG, deployment.as_bytes(), body] {
        message.put(&(part.len() as u64).to_be_bytes());
        message.put(part);
    }
    message
}

/// A signed head's bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedHead(Vec<u8>);

impl SignedHead {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The key that heads are signed with.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key with this secret seed (RFC 8032, section 5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

/// A public key that edges may trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key with these bytes, or `None` where they are no point of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak()).map(Self)
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its id: the first eight bytes of its SHA-256.
    pub fn id(&self) -> PublicKeyId {
        let digest = Sha256::digest(self.0.as_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        PublicKeyId(id)
    }
}

/// Names a public key within a head.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKeyId([u8; 8]);

impl fmt::Debug for PublicKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for PublicKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The public keys an edge trusts: at least one, at most [`MAX_TRUSTED_KEYS`].
#[derive(Debug, Clone)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// These keys, or `None` where there are none or too many.
    pub fn new(keys: Vec<PublicKey>) -> Option<Self> {
        (1..=MAX_TRUSTED_KEYS).contains(&keys.len()).then_some(Self(keys))
    }
}
