//! Admin tokens: what a Bearer of the control plane's API is, at rest.
//!
//! Only the SHA-256 of a token is known here. A token carries 256 random bits, so a fast hash is
//! enough.

use core::fmt;
use core::ops::RangeInclusive;

use keyward_shared::id::{MemberId, TokenId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::scope::Scopes;
use super::text::Name;
use super::time::UnixMillis;

/// Begins the text of every token, so that secret scanners know one.
pub const TOKEN_PREFIX: &str = "kwt_";

/// What a token's text may be as long as, prefix and all: what is shorter could be guessed, what is
/// longer is a mistake.
const TEXT_BYTES: RangeInclusive<usize> = 36..=256;

/// Whether a text can be a token's that somebody chose: the prefix, and at least 32 printable characters.
pub fn is_well_formed(text: &str) -> bool {
    text.starts_with(TOKEN_PREFIX)
        && TEXT_BYTES.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The version of every token: one never changes, it only ends.
pub const TOKEN_VERSION: u64 = 1;

/// SHA-256 of a token's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a token's text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// A token that may authenticate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The token's identifier.
    pub id: TokenId,
    /// The member it acts as; none is an operator's, who may do everything.
    pub member: Option<MemberId>,
    /// The name it was given.
    pub name: Name,
    /// What it is narrowed to.
    pub scopes: Scopes,
    /// The member who made it, and so may know its text; nobody for one that an operator made.
    pub made_by: Option<MemberId>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// From when it is refused.
    pub expires_at: Option<UnixMillis>,
    /// When it was revoked.
    pub revoked_at: Option<UnixMillis>,
}

impl Token {
    /// What the audit log says of it. Never its hash.
    pub fn facts(&self) -> Value {
        json!({
            "name": self.name,
            "member_id": self.member,
            "scopes": self.scopes.words(),
            "expires_at": self.expires_at,
        })
    }

    /// Whether the token authenticates at `now`.
    pub fn usable_at(&self, now: UnixMillis) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expiry| now < expiry)
    }
}
