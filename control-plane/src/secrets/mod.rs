//! Secrets of the control plane in memory and in files.
//!
//! The types here have no `Debug` and no `Display`, and wipe themselves when dropped: a
//! log line or an error that tried to hold one would not compile. Nothing here knows what
//! a secret is for.

pub mod create;
pub mod file;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::domain::token::TokenHash;

/// A secret that is text: a bearer token, an account's API token.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes a secret, less the white space around it.
    pub fn new(mut text: Zeroizing<String>) -> Self {
        let trimmed = text.trim();
        if trimmed.len() != text.len() {
            text = Zeroizing::new(trimmed.to_owned());
        }
        Self(text)
    }

    /// The secret itself, for the one use that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be kept to recognise the secret by.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }
}

/// Whether both are of one token, in time that does not depend on the answer.
pub fn same_token(one: &TokenHash, other: &TokenHash) -> bool {
    one.0.ct_eq(&other.0).into()
}

/// A secret of 32 bytes: a pepper, a signing key's seed, a key-encryption key.
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// Reads what [`SecretKey::to_text`] wrote.
    pub fn from_text(text: &SecretText) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        // One byte more than fits, so that a longer text is seen to be one.
        let mut decoded = Zeroizing::new([0; 33]);
        let length = URL_SAFE_NO_PAD.decode_slice(text.expose(), decoded.as_mut_slice()).ok()?;
        if length != bytes.len() {
            return None;
        }
        bytes.copy_from_slice(&decoded[..length]);
        decoded.zeroize();
        Some(Self(bytes))
    }

    /// Takes 32 bytes that came from a uniform source.
    pub fn from_random(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The bytes, for the one use that needs them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// base64url without padding, 43 characters.
    pub fn to_text(&self) -> SecretText {
        SecretText(Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> SecretText {
        SecretText::new(Zeroizing::new(value.to_owned()))
    }

    #[test]
    fn a_key_is_read_back_as_it_was_written() {
        let key = SecretKey::from_random(Zeroizing::new([7; 32]));
        let read = SecretKey::from_text(&key.to_text()).unwrap();
        assert_eq!(read.expose(), &[7; 32]);
    }

    #[test]
    fn a_key_of_another_length_or_alphabet_is_refused() {
        for wrong in ["", "AAAA", &"A".repeat(42), &"A".repeat(44), &"=".repeat(43)] {
            assert!(SecretKey::from_text(&text(wrong)).is_none(), "{wrong}");
        }
    }

    #[test]
    fn white_space_around_a_secret_is_dropped() {
        assert_eq!(text(" token\n").expose(), "token");
    }

    #[test]
    fn a_hash_matches_its_own_token_only() {
        assert!(same_token(&TokenHash::of("a"), &text("a").hash()));
        assert!(!same_token(&TokenHash::of("a"), &text("b").hash()));
    }
}
