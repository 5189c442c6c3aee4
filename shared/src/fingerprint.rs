//! From a key to the sixteen bytes that stand for it in a snapshot.
//!
//! ```text
//! digest      = SHA-256(key)
//! fingerprint = HMAC-SHA-256(pepper, digest), first 16 bytes      (RFC 2104, FIPS 180-4)
//! ```
//!
//! A fast hash is right because generated keys carry 160 bits; the pepper is what protects short
//! imported ones. Nothing here can be turned back into a key, and the pepper never prints.

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::api_key::ApiKey;

/// SHA-256 of a key: what an importer may bring instead of the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `key`.
    pub fn of(key: &ApiKey) -> Self {
        Self::of_bytes(key.expose().as_bytes())
    }

    /// The digest of a key's bytes, already checked.
    pub(crate) fn of_bytes(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// A digest that was made elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's bytes. They are as good as an unpeppered hash: seal them at rest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a snapshot holds of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// A fingerprint from storage or a snapshot.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The first `bits` (at most 32) bits, as a number.
    pub const fn leading_bits(&self, bits: u8) -> u32 {
        let [a, b, c, d, ..] = self.0;
        let word = u32::from_be_bytes([a, b, c, d]);
        if bits == 0 { 0 } else { word >> (32 - bits as u32) }
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Tells peppers apart without telling what they are: the first eight bytes of
/// HMAC-SHA-256(pepper, `"keyward pepper id v1"`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PepperId(u64);

impl PepperId {
    /// An identifier from a snapshot.
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }

    /// Its 64 bits.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for PepperId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The deployment's secret that fingerprints are made with. The keyed state is computed once, so a
/// fingerprint costs two compressions fewer than a fresh HMAC.
#[derive(Clone)]
pub struct Pepper {
    keyed: Hmac<Sha256>,
    id: PepperId,
}

impl Pepper {
    /// The pepper with these 32 secret bytes.
    pub fn new(secret: [u8; 32]) -> Self {
        let secret = Zeroizing::new(secret);
        let keyed = keyed(&secret);
        let tag = keyed.clone().chain_update(b"keyward pepper id v1").finalize().into_bytes();
        let mut id = [0; 8];
        id.copy_from_slice(&tag[..8]);
        Self { keyed, id: PepperId(u64::from_be_bytes(id)) }
    }

    /// Which pepper this is.
    pub const fn id(&self) -> PepperId {
        self.id
    }

    /// The fingerprint of the key whose digest this is.
    pub fn fingerprint(&self, digest: &Digest) -> Fingerprint {
        let tag = self.keyed.clone().chain_update(digest.as_bytes()).finalize().into_bytes();
        let mut fingerprint = [0; Fingerprint::LEN];
        fingerprint.copy_from_slice(&tag[..Fingerprint::LEN]);
        Fingerprint(fingerprint)
    }
}

/// HMAC pads a short key with zeros to its block (RFC 2104, section 2), so padding it here gives
/// the same state without a length that could be refused.
fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(secret);
    Hmac::new((&*block).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_held() {
        let key = ApiKey::parse("d41d8cd98f00b204e9800998ecf8427e").expect("a key");
        let pepper = Pepper::new([7; 32]);
        // Golden, computed with Python's hashlib and hmac.
        assert_eq!(format!("{:?}", pepper.fingerprint(&Digest::of(&key))), "8ea648c9f5f48ab4445ec9cb25e7d0f6");
        assert_eq!(format!("{:?}", pepper.id()), "98eb75d06cd8a9a4");
    }

    #[test]
    fn leading_bits_are_the_most_significant() {
        let mut bytes = [0; 16];
        bytes[0] = 0b1010_0000;
        bytes[3] = 1;
        let fingerprint = Fingerprint::from_bytes(bytes);
        assert_eq!(fingerprint.leading_bits(0), 0);
        assert_eq!(fingerprint.leading_bits(3), 0b101);
        assert_eq!(fingerprint.leading_bits(32), 0xa000_0001);
    }
}
