//! The secrets that the control plane works with: the pepper that makes fingerprints, and the
//! key-encryption key that seals what is stored.
//!
//! Sealed bytes read `1 ‖ id of the key-encryption key (4) ‖ nonce (24) ‖ ciphertext and tag`
//! (XChaCha20-Poly1305). The associated data binds them to the row they belong to, so that they
//! can't be moved to another. The key that sealed opens them again, whichever of the vault's it is; new
//! ones are sealed under the newest. Nothing here prints itself.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::{Digest, Fingerprint, Pepper};
use keyward_shared::id::KeyId;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Why something sealed can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Not in the form that this version writes.
    #[error("the sealed bytes are of an unknown form")]
    Form,
    /// Sealed under another key-encryption key.
    #[error("sealed under the key-encryption key {sealed_under:08x}, which is not configured")]
    OtherKey {
        /// The identifier of that key.
        sealed_under: u32,
    },
    /// Altered, or of another row.
    #[error("the sealed bytes do not belong here or were altered")]
    Altered,
    /// More than the cipher takes.
    #[error("too much to seal")]
    TooLong,
}

/// The key-encryption key, with an identifier that tells nothing about it.
pub struct Kek {
    secret: Zeroizing<[u8; 32]>,
    id: u32,
}

impl Kek {
    /// The key-encryption key with these bytes.
    pub fn new(secret: [u8; 32]) -> Self {
        let secret = Zeroizing::new(secret);
        let id = derive::<4>(&*secret, b"", b"keyward kek id v1");
        Self { id: u32::from_be_bytes(*id), secret }
    }

    /// Which key this is.
    pub const fn id(&self) -> u32 {
        self.id
    }
}

/// Pepper and key-encryption keys.
pub struct Vault {
    pepper: Pepper,
    kek: Kek,
    /// Those that it replaces, which still open what they sealed.
    older: Vec<Kek>,
}

const FORM: u8 = 1;
const NONCE_AT: usize = 5;
const CIPHERTEXT_AT: usize = 29;

impl Vault {
    /// The vault of a deployment.
    pub const fn new(pepper: Pepper, kek: Kek) -> Self {
        Self { pepper, kek, older: Vec::new() }
    }

    /// The same vault, which also opens what these keys sealed.
    #[must_use]
    pub fn with_older(self, older: Vec<Kek>) -> Self {
        Self { older, ..self }
    }

    /// The pepper.
    pub const fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    /// The fingerprint of a digest.
    pub fn fingerprint(&self, digest: &Digest) -> Fingerprint {
        self.pepper.fingerprint(digest)
    }

    /// Seals a key's digest for the row of its secret.
    pub fn seal_digest(
        &self,
        digest: &Digest,
        fingerprint: &Fingerprint,
        key: KeyId,
        nonce: &[u8; 24],
    ) -> Result<Vec<u8>, VaultError> {
        self.seal(Use::Row, nonce, digest.as_bytes(), &digest_row(fingerprint, key))
    }

    /// Opens what [`Vault::seal_digest`] sealed.
    pub fn open_digest(&self, sealed: &[u8], fingerprint: &Fingerprint, key: KeyId) -> Result<Digest, VaultError> {
        let opened = self.open(Use::Row, sealed, &digest_row(fingerprint, key))?;
        <[u8; 32]>::try_from(opened.as_slice()).map(Digest::from_bytes).map_err(|_| VaultError::Form)
    }

    /// Seals a secret itself for its row, where a workspace lets it be shown again. The nonce is not the
    /// one of its digest.
    pub fn seal_secret(
        &self,
        secret: &ApiKey,
        fingerprint: &Fingerprint,
        key: KeyId,
        nonce: &[u8; 24],
    ) -> Result<Vec<u8>, VaultError> {
        self.seal(Use::Row, nonce, secret.expose().as_bytes(), &secret_row(fingerprint, key))
    }

    /// Opens what [`Vault::seal_secret`] sealed.
    pub fn open_secret(&self, sealed: &[u8], fingerprint: &Fingerprint, key: KeyId) -> Result<ApiKey, VaultError> {
        let opened = self.open(Use::Row, sealed, &secret_row(fingerprint, key))?;
        let text = core::str::from_utf8(&opened).map_err(|_| VaultError::Form)?;
        ApiKey::parse(text).map_err(|_| VaultError::Form)
    }

    /// Names an idempotent call without telling its key: HMAC-SHA-256 over caller and key. By the newest
    /// key-encryption key, and then by each that it replaces: an answer is found under the name that it
    /// was kept by.
    pub(super) fn call_ids(&self, caller: &str, idempotency_key: &str) -> CallIds {
        let name = |kek: &Kek| -> [u8; 32] {
            let key: Zeroizing<[u8; 32]> = derive(&*kek.secret, b"", b"keyward idempotent call id v1");
            keyed(&key)
                .chain_update(caller.as_bytes())
                .chain_update([0])
                .chain_update(idempotency_key.as_bytes())
                .finalize()
                .into_bytes()
                .into()
        };
        CallIds { newest: name(&self.kek), older: self.older.iter().map(name).collect() }
    }

    /// Seals the answer of an idempotent call so that only its `Idempotency-Key` opens it.
    pub(super) fn seal_answer(
        &self,
        idempotency_key: &str,
        nonce: &[u8; 24],
        answer: &[u8],
        call: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        self.seal(Use::Answer { idempotency_key }, nonce, answer, call)
    }

    /// Opens what [`Vault::seal_answer`] sealed.
    pub(super) fn open_answer(
        &self,
        idempotency_key: &str,
        sealed: &[u8],
        call: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.open(Use::Answer { idempotency_key }, sealed, call)
    }

    fn seal(&self, to: Use<'_>, nonce: &[u8; 24], message: &[u8], row: &[u8]) -> Result<Vec<u8>, VaultError> {
        let key = to.key(&self.kek);
        let ciphertext = XChaCha20Poly1305::new((&*key).into())
            .encrypt(&XNonce::from(*nonce), Payload { msg: message, aad: row })
            .map_err(|_| VaultError::TooLong)?;
        let mut sealed = Vec::with_capacity(CIPHERTEXT_AT + ciphertext.len());
        sealed.push(FORM);
        sealed.extend_from_slice(&self.kek.id.to_be_bytes());
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    fn open(&self, to: Use<'_>, sealed: &[u8], row: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (head, ciphertext) = sealed.split_at_checked(CIPHERTEXT_AT).ok_or(VaultError::Form)?;
        let [FORM, a, b, c, d, ..] = *head else {
            return Err(VaultError::Form);
        };
        let sealed_under = u32::from_be_bytes([a, b, c, d]);
        let mut keks = core::iter::once(&self.kek).chain(&self.older);
        let kek = keks.find(|kek| kek.id == sealed_under).ok_or(VaultError::OtherKey { sealed_under })?;
        let key = to.key(kek);
        let nonce = XNonce::try_from(&head[NONCE_AT..]).map_err(|_| VaultError::Form)?;
        XChaCha20Poly1305::new((&*key).into())
            .decrypt(&nonce, Payload { msg: ciphertext, aad: row })
            .map(Zeroizing::new)
            .map_err(|_| VaultError::Altered)
    }
}

/// The names of one idempotent call.
pub(super) struct CallIds {
    pub(super) newest: [u8; 32],
    pub(super) older: Vec<[u8; 32]>,
}

/// What is sealed, which decides the key that seals it.
#[derive(Clone, Copy)]
enum Use<'a> {
    /// Something of a secret's row.
    Row,
    /// The answer of an idempotent call, which only its own key opens.
    Answer { idempotency_key: &'a str },
}

impl Use<'_> {
    fn key(self, kek: &Kek) -> Zeroizing<[u8; 32]> {
        match self {
            Self::Row => kek.secret.clone(),
            Self::Answer { idempotency_key } => {
                derive(idempotency_key.as_bytes(), &*kek.secret, b"keyward idempotent answer v1")
            }
        }
    }
}

fn digest_row(fingerprint: &Fingerprint, key: KeyId) -> Vec<u8> {
    let key = key.as_u64().to_be_bytes();
    [&b"keyward digest v1"[..], fingerprint.as_bytes(), &key].concat()
}

fn secret_row(fingerprint: &Fingerprint, key: KeyId) -> Vec<u8> {
    let key = key.as_u64().to_be_bytes();
    [&b"keyward secret v1"[..], fingerprint.as_bytes(), &key].concat()
}

/// HKDF-SHA-256 (RFC 5869) to at most 32 bytes, which is within what one expansion gives.
fn derive<const N: usize>(input: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    let mut okm = Zeroizing::new([0; N]);
    let expanded = Hkdf::<Sha256>::new(Some(salt), input).expand(info, &mut *okm);
    debug_assert!(expanded.is_ok(), "at most 255 blocks");
    okm
}

/// HMAC pads a short key with zeros to its block (RFC 2104, section 2); done here, the key's length
/// can't be refused.
fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(secret);
    Hmac::new((&*block).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(kek: u8) -> Vault {
        Vault::new(Pepper::new([1; 32]), Kek::new([kek; 32]))
    }

    const KEY: KeyId = KeyId::from_u64(7);

    #[test]
    fn a_digest_opens_in_its_own_row_only() {
        let vault = vault(2);
        let digest = Digest::from_bytes([3; 32]);
        let fingerprint = vault.fingerprint(&digest);
        let sealed = vault.seal_digest(&digest, &fingerprint, KEY, &[4; 24]).expect("sealed");
        assert!(vault.open_digest(&sealed, &fingerprint, KEY) == Ok(digest));
        let other = Fingerprint::from_bytes([0; 16]);
        assert!(vault.open_digest(&sealed, &other, KEY) == Err(VaultError::Altered));
        assert!(vault.open_digest(&sealed, &fingerprint, KeyId::from_u64(8)) == Err(VaultError::Altered));
    }

    #[test]
    fn a_secret_opens_in_its_own_row_only_and_as_nothing_else() {
        let vault = vault(2);
        let secret = ApiKey::parse("a-secret-that-somebody-brought").expect("a key");
        let digest = Digest::of(&secret);
        let fingerprint = vault.fingerprint(&digest);
        let sealed = vault.seal_secret(&secret, &fingerprint, KEY, &[4; 24]).expect("sealed");
        assert!(vault.open_secret(&sealed, &fingerprint, KEY) == Ok(secret));
        let other = Fingerprint::from_bytes([0; 16]);
        assert!(vault.open_secret(&sealed, &other, KEY) == Err(VaultError::Altered));
        assert!(vault.open_secret(&sealed, &fingerprint, KeyId::from_u64(8)) == Err(VaultError::Altered));
        assert!(vault.open_digest(&sealed, &fingerprint, KEY) == Err(VaultError::Altered));
        let digest = vault.seal_digest(&digest, &fingerprint, KEY, &[5; 24]).expect("sealed");
        assert!(vault.open_secret(&digest, &fingerprint, KEY) == Err(VaultError::Altered));
    }

    #[test]
    fn any_altered_byte_is_noticed() {
        let vault = vault(2);
        let digest = Digest::from_bytes([3; 32]);
        let fingerprint = vault.fingerprint(&digest);
        let sealed = vault.seal_digest(&digest, &fingerprint, KEY, &[4; 24]).expect("sealed");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(vault.open_digest(&altered, &fingerprint, KEY).is_err(), "byte {at}");
            assert!(vault.open_digest(&sealed[..at], &fingerprint, KEY).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_key_encryption_key_is_named() {
        let digest = Digest::from_bytes([3; 32]);
        let (one, other) = (vault(2), vault(5));
        let fingerprint = one.fingerprint(&digest);
        let sealed = one.seal_digest(&digest, &fingerprint, KEY, &[4; 24]).expect("sealed");
        let refused = other.open_digest(&sealed, &fingerprint, KEY).err();
        assert_eq!(refused, Some(VaultError::OtherKey { sealed_under: one.kek.id() }));
    }

    #[test]
    fn an_answer_opens_with_its_own_idempotency_key_only() {
        let vault = vault(2);
        let sealed = vault.seal_answer("one", &[4; 24], b"answer", b"call").expect("sealed");
        assert_eq!(vault.open_answer("one", &sealed, b"call").as_deref().map(Vec::as_slice), Ok(&b"answer"[..]));
        assert!(vault.open_answer("two", &sealed, b"call").is_err());
        assert!(vault.open_answer("one", &sealed, b"other").is_err());
        assert_ne!(vault.call_ids("a", "b").newest, vault.call_ids("b", "a").newest);
    }

    #[test]
    fn a_replaced_key_encryption_key_opens_what_it_sealed_and_seals_no_more() {
        let secret = ApiKey::parse("a-secret-that-somebody-brought").expect("a key");
        let digest = Digest::of(&secret);
        let old = vault(2);
        let fingerprint = old.fingerprint(&digest);
        let sealed_digest = old.seal_digest(&digest, &fingerprint, KEY, &[4; 24]).expect("sealed");
        let sealed_secret = old.seal_secret(&secret, &fingerprint, KEY, &[5; 24]).expect("sealed");
        let answer = old.seal_answer("one", &[6; 24], b"answer", b"call").expect("sealed");
        let CallIds { newest: kept_by, .. } = old.call_ids("caller", "one");

        let new = vault(9).with_older(vec![Kek::new([7; 32]), Kek::new([2; 32])]);
        assert!(new.open_digest(&sealed_digest, &fingerprint, KEY) == Ok(digest));
        assert!(new.open_secret(&sealed_secret, &fingerprint, KEY) == Ok(secret.clone()));
        assert_eq!(new.open_answer("one", &answer, b"call").as_deref().map(Vec::as_slice), Ok(&b"answer"[..]));
        let names = new.call_ids("caller", "one");
        assert!(names.newest != kept_by && names.older.contains(&kept_by));

        let sealed = new.seal_secret(&secret, &fingerprint, KEY, &[7; 24]).expect("sealed");
        assert!(vault(9).open_secret(&sealed, &fingerprint, KEY) == Ok(secret));
        let refused = old.open_secret(&sealed, &fingerprint, KEY).err();
        assert_eq!(refused, Some(VaultError::OtherKey { sealed_under: new.kek.id() }));
        // The bytes name their key, and another one's name opens nothing.
        let mut renamed = sealed_secret;
        renamed[1..NONCE_AT].copy_from_slice(&new.kek.id().to_be_bytes());
        assert!(new.open_secret(&renamed, &fingerprint, KEY) == Err(VaultError::Altered));
    }
}
