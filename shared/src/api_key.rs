//! The API key itself: how one is made from random bytes, read, and told from a typing error.
//!
//! A generated key reads `<prefix>_<body><check>`: 27 base62 digits of 160 random bits and the
//! CRC-32 (ISO-HDLC) of all before it as six digits, so that a secret scanner and an edge can
//! recognise one without asking anybody. Imported keys keep whatever form they had.
//!
//! An `ApiKey` never prints itself and is wiped when dropped. It knows nothing of fingerprints.

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use zeroize::Zeroizing;

use crate::base62;

/// Shortest key accepted, in bytes.
pub const MIN_KEY_BYTES: usize = 16;
/// Longest key accepted, in bytes.
pub const MAX_KEY_BYTES: usize = 256;
/// Longest key prefix, in bytes, with its `_test` part excluded.
pub const MAX_PREFIX_BYTES: usize = 32;
/// Base62 digits of randomness in a generated key: 62^27 > 2^160.
pub const BODY_DIGITS: usize = 27;
/// Base62 digits of the check: 62^6 > 2^32.
pub const CHECK_DIGITS: usize = 6;
/// Its tables: one of a kibibyte where every edge has to load it, else sixteen, which are faster.
#[cfg(target_family = "wasm")]
type CrcTables = Table<1>;
#[cfg(not(target_family = "wasm"))]
type CrcTables = Table<16>;
static CRC: Crc<u32, CrcTables> = Crc::<u32, CrcTables>::new(&CRC_32_ISO_HDLC);
/// Appended to the deployment's prefix in keys of the environment `test`.
pub const TEST_SUFFIX: &str = "_test";

/// Why a text cannot be an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// Not between [`MIN_KEY_BYTES`] and [`MAX_KEY_BYTES`] long.
    #[error("an API key has {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes, this has {got}")]
    Length {
        /// The length in bytes.
        got: usize,
    },
    /// A byte other than visible ASCII (0x21 to 0x7E), or a colon.
    #[error("an API key is visible ASCII without colon; byte {at} is not")]
    Character {
        /// Position of the first such byte.
        at: usize,
    },
    /// The deployment's prefix with wrong check digits: a typing error, or a guess.
    #[error("the check digits do not match")]
    CheckDigits,
}

/// An API key in the clear.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Makes a key of `prefix` from random bytes, each digit uniform: a byte's low six bits are
    /// taken where they are below 62. `None` when fewer than 27 of the 64 bytes are (once in about
    /// 10^37 draws): draw anew.
    pub fn generate(prefix: &str, random: &[u8; 64]) -> Option<Self> {
        let mut text = Zeroizing::new(String::with_capacity(prefix.len() + 1 + BODY_DIGITS + CHECK_DIGITS));
        text.push_str(prefix);
        text.push('_');
        let digits = random.iter().filter_map(|byte| base62::DIGITS.get(usize::from(byte & 63))).take(BODY_DIGITS);
        text.extend(digits.map(|&digit| char::from(digit)));
        if text.len() != prefix.len() + 1 + BODY_DIGITS {
            return None;
        }
        let check = check_digits(text.as_bytes());
        text.extend(check.map(char::from));
        Some(Self(text))
    }

    /// Reads a key: its length and characters, not its check digits.
    pub fn parse(text: &str) -> Result<Self, ApiKeyError> {
        check_characters(text.as_bytes())?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The key in the clear. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What may be shown of a key: the last four characters, and the prefix of a generated one. What
    /// stands before an underscore in a key of another form may be part of its secret.
    pub fn hint(&self) -> String {
        let text = self.expose();
        let prefix = text
            .rsplit_once('_')
            .filter(|(prefix, _)| verify_check_digits(text.as_bytes(), prefix).is_ok())
            .map(|(prefix, _)| format!("{prefix}_"))
            .unwrap_or_default();
        format!("{prefix}…{}", &text[text.len() - 4..])
    }
}

/// Checks the length and the characters of a key's bytes.
pub(crate) fn check_characters(bytes: &[u8]) -> Result<(), ApiKeyError> {
    if !(MIN_KEY_BYTES..=MAX_KEY_BYTES).contains(&bytes.len()) {
        return Err(ApiKeyError::Length { got: bytes.len() });
    }
    let right = |byte: &u8| byte.is_ascii_graphic() && *byte != b':';
    if all(bytes, right) {
        return Ok(());
    }
    let at = bytes.iter().position(|byte| !right(byte)).unwrap_or(0);
    Err(ApiKeyError::Character { at })
}

/// Whether all bytes are right. Looks at all of them, without a branch at each.
pub(crate) fn all(bytes: &[u8], right: impl Fn(&u8) -> bool) -> bool {
    bytes.iter().fold(true, |all, byte| all & right(byte))
}

/// Refuses a key that carries the deployment's prefix (or that prefix and `_test`) and whose check
/// digits are wrong. Keys of any other form pass: they were imported.
pub fn verify_check_digits(key: &[u8], deployment_prefix: &str) -> Result<(), ApiKeyError> {
    let Some(split) = key.iter().rposition(|&byte| byte == b'_') else {
        return Ok(());
    };
    let (prefix, body_and_check) = (&key[..split], &key[split + 1..]);
    let ours = prefix
        .strip_prefix(deployment_prefix.as_bytes())
        .is_some_and(|rest| rest.is_empty() || rest == TEST_SUFFIX.as_bytes());
    if !ours {
        return Ok(());
    }
    if body_and_check.len() != BODY_DIGITS + CHECK_DIGITS {
        return Err(ApiKeyError::CheckDigits);
    }
    let (signed, check) = key.split_at(key.len() - CHECK_DIGITS);
    // Digits and letters are all that base62 has.
    let base62 = all(body_and_check, u8::is_ascii_alphanumeric);
    if base62 && check == check_digits(signed) { Ok(()) } else { Err(ApiKeyError::CheckDigits) }
}

fn check_digits(signed: &[u8]) -> [u8; CHECK_DIGITS] {
    let mut digits = [0; CHECK_DIGITS];
    base62::encode(u64::from(CRC.checksum(signed)), &mut digits);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random() -> [u8; 64] {
        core::array::from_fn(|i| u8::try_from(i).unwrap_or(0))
    }

    #[test]
    fn a_generated_key_has_the_contracts_form() {
        let key = ApiKey::generate("kw", &random()).expect("enough digits");
        // Golden: the form strangers depend on.
        assert_eq!(key.expose(), "kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7L");
        assert_eq!(verify_check_digits(key.expose().as_bytes(), "kw"), Ok(()));
        assert_eq!(key.hint(), "kw_…GT7L");
    }

    #[test]
    fn every_single_substitution_is_noticed() {
        let key = ApiKey::generate("kw_test", &random()).expect("enough digits");
        for at in "kw_test_".len()..key.expose().len() {
            for digit in base62::DIGITS {
                let mut bytes = key.expose().as_bytes().to_vec();
                if bytes[at] != *digit {
                    bytes[at] = *digit;
                    assert_eq!(verify_check_digits(&bytes, "kw"), Err(ApiKeyError::CheckDigits));
                }
            }
        }
    }

    #[test]
    fn right_check_digits_behind_another_body_are_refused() {
        let signed = |body: &str| {
            let mut key = format!("kw_{body}").into_bytes();
            key.extend(check_digits(&key));
            verify_check_digits(&key, "kw")
        };
        assert_eq!(signed("0123456789ABCDEFGHIJKLMNOPQ"), Ok(()));
        for body in [
            "",
            "0123456789ABCDEFGHIJKLMNOP",
            "0123456789ABCDEFGHIJKLMNOPQR",
            "0123456789ABC-EFGHIJKLMNOPQ",
            "0123456789ABC.EFGHIJKLMNOPQ",
        ] {
            assert_eq!(signed(body), Err(ApiKeyError::CheckDigits), "{body}");
        }
    }

    #[test]
    fn keys_of_other_forms_are_left_alone() {
        for imported in ["d41d8cd98f00b204e9800998ecf8427e", "sk_live_0123456789abcdef", "kwx_0123456789abcdef"] {
            assert_eq!(verify_check_digits(imported.as_bytes(), "kw"), Ok(()), "{imported}");
        }
        assert!(verify_check_digits(b"kw_0123456789abcdef", "kw").is_err());
    }

    #[test]
    fn a_hint_tells_no_part_of_an_imported_keys_secret() {
        for (key, hint) in [
            ("kw_test_0123456789ABCDEFGHIJKLMNOPQ4PPRW6", "…PRW6"),
            ("d41d8cd98f00b204e9800998ecf8427e", "…427e"),
            ("c2VjcmV0c2VjcmV0_c2VjcmV0c2VjcmV0c2VjcmV0", "…cmV0"),
            ("0123456789abcde_", "…cde_"),
        ] {
            assert_eq!(ApiKey::parse(key).expect("a key").hint(), hint);
        }
        let test = ApiKey::generate("kw_test", &random()).expect("enough digits");
        assert!(test.hint().starts_with("kw_test_…"));
        assert_eq!(test.hint().chars().count(), "kw_test_…".chars().count() + 4);
    }

    #[test]
    fn too_few_usable_bytes_make_no_key() {
        assert!(ApiKey::generate("kw", &[0xff; 64]).is_none());
    }

    #[test]
    fn only_visible_ascii_of_the_right_length_is_a_key() {
        assert!(ApiKey::parse("0123456789abcdef").is_ok());
        assert_eq!(ApiKey::parse("0123456789abcde").err(), Some(ApiKeyError::Length { got: 15 }));
        for bad in ["0123456789abcde:", "0123456789 bcdef", "0123456789abcde\u{7f}", "0123456789abcdé"] {
            assert!(matches!(ApiKey::parse(bad), Err(ApiKeyError::Character { .. })), "{bad}");
        }
        assert!(ApiKey::parse(&"k".repeat(257)).is_err());
    }
}
