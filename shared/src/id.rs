//! Identifiers: 64 random bits, as text a type prefix and eleven base62 digits (`key_…`, `ws_…`).
//!
//! An identifier is no secret and grants nothing. It never says when or in which order things were
//! made.

use core::fmt;
use core::str::FromStr;

use crate::base62;

/// Why a text is not an identifier of the wanted type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `{prefix}_` and eleven base62 digits")]
pub struct IdError {
    /// The type prefix that was expected, without its underscore.
    pub prefix: &'static str,
}

const DIGITS: usize = 11;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u64);

        impl $name {
            /// The type prefix of the text form, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// The identifier with these 64 bits.
            pub const fn from_u64(bits: u64) -> Self {
                Self(bits)
            }

            /// The identifier's 64 bits.
            pub const fn as_u64(self) -> u64 {
                self.0
            }

            /// Appends the text form. Where many are written, formatting machinery would cost more than
            /// the digits.
            pub fn push_to(self, out: &mut String) {
                let mut digits = [0; DIGITS];
                out.push_str(concat!($prefix, "_"));
                out.push_str(self.digits(&mut digits));
            }

            fn digits(self, digits: &mut [u8; DIGITS]) -> &str {
                base62::encode(self.0, digits);
                core::str::from_utf8(digits).unwrap_or_default()
            }

            /// The identifier that eight random bytes make.
            pub const fn from_random(bytes: [u8; 8]) -> Self {
                Self(u64::from_be_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(self.digits(&mut [0; DIGITS]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|digits| digits.len() == DIGITS)
                    .and_then(|digits| base62::decode(digits.as_bytes()))
                    .map(Self)
                    .ok_or(IdError { prefix: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("an id of the form `", $prefix, "_…`"))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    };
}

id!(
    /// Names an API key. Both secrets of a rotation carry the same one.
    KeyId, "key"
);
id!(
    /// Names a workspace, the tenant that keys belong to.
    WorkspaceId, "ws"
);
id!(
    /// Names a member of a workspace, a person or a machine.
    MemberId, "mem"
);
id!(
    /// Names a team within a workspace.
    TeamId, "team"
);
id!(
    /// Names an admin token.
    TokenId, "tok"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bits_are_the_same_identifier() {
        for bits in [0, 1, 61, 62, u64::MAX] {
            let id = KeyId::from_u64(bits);
            assert_eq!(id.to_string().len(), 15);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!(KeyId::from_u64(62).to_string(), "key_00000000010");
    }

    #[test]
    fn another_type_length_or_alphabet_is_refused() {
        for text in
            ["", "key_", "ws_00000000010", "key_0000000001", "key_000000000010", "key_0000000001-", "key_zzzzzzzzzzz"]
        {
            assert_eq!(text.parse::<KeyId>(), Err(IdError { prefix: "key" }), "{text}");
        }
    }
}
