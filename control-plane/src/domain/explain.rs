//! Why a credential is none: what a person may have done to it on the way.
//!
//! What cannot be read is mended in the ways in which it usually breaks, one after the other, until it
//! reads; those that were needed are the explanation. Nothing here decides: an edge mends nothing.

mod mend;

use keyward_shared::api_key::{self, ApiKey, ApiKeyError, MAX_KEY_BYTES, MIN_KEY_BYTES};
use keyward_shared::credentials::{self, Credential, CredentialError};
use keyward_shared::settings::{CheckDigits, Settings};

pub use mend::{Mended, mend, mend_key, without_http_blanks};

/// The mistakes: variant, word for programs, words for people.
macro_rules! mistakes {
    ($($name:ident = $word:literal, $words:literal;)+) => {
        /// Something that is wrong with a credential.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Mistake {
            $(#[doc = concat!("That ", $words, ".")] $name,)+
        }

        impl Mistake {
            /// Every mistake.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What it is, as half a sentence.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }
        }
    };
}

mistakes! {
    NoCredentials = "no_credentials", "there is no credential";
    Several = "several_credentials", "there are credentials in more than one place";
    TooLong = "too_long", "it is longer than any credential can be";
    HeaderName = "header_name", "the header's name stands in its value too";
    NoScheme = "no_scheme", "the scheme is missing: the value begins with `Basic`";
    BearerScheme = "bearer_scheme", "the scheme is `Bearer`, which is not accepted here: send `Basic`";
    Scheme = "scheme", "the scheme is none that is accepted here";
    NotEncoded = "not_encoded", "user and password are not in base64";
    Base64WhiteSpace = "base64_white_space", "the base64 is broken by white space";
    Base64Alphabet = "base64_alphabet", "the base64 is of the URL-safe alphabet, with - and _ for + and /";
    Base64Padding = "base64_padding", "the base64 does not end as it must: `=` fills it up to four characters";
    Base64 = "base64", "it is not base64";
    EncodedTwice = "encoded_twice", "it is encoded in base64 twice";
    TrailingNewline = "trailing_newline", "a line break stands behind the key";
    WhiteSpace = "white_space", "white space stands beside the key";
    Quotes = "quotes", "quotation marks stand around the key";
    PercentEncoded = "percent_encoded", "it is percent-encoded";
    NoColon = "no_colon", "the colon is missing that stands between user and password";
    Form = "form", "what is encoded is no user and password: there is no colon, or a control character";
    KeyTooShort = "key_too_short", "a key has at least 16 characters";
    KeyTooLong = "key_too_long", "a key has at most 256 characters";
    KeyCharacter = "key_character", "a key is visible ASCII without colon";
    NoKey = "no_key", "there is nothing that could be a key: 16 to 256 visible ASCII characters without colon";
    CheckDigits = "check_digits", "the key's check digits are wrong: it holds a typing error or was cut off";
}

// The words name them.
const _: () = assert!(MIN_KEY_BYTES == 16 && MAX_KEY_BYTES == 256);

impl From<CredentialError> for Mistake {
    fn from(error: CredentialError) -> Self {
        match error {
            CredentialError::Missing => Self::NoCredentials,
            CredentialError::Several => Self::Several,
            CredentialError::TooLong => Self::TooLong,
            CredentialError::Scheme => Self::Scheme,
            CredentialError::Base64 => Self::Base64,
            CredentialError::Form => Self::Form,
            CredentialError::Key => Self::NoKey,
            CredentialError::CheckDigits => Self::CheckDigits,
        }
    }
}

/// The credential of a request, check digits aside: a key may have been brought with any.
pub fn read_unchecked(
    authorization: Option<&str>,
    key_header: Option<&str>,
    settings: &Settings,
) -> Result<Credential, CredentialError> {
    let settings = Settings { check_digits: CheckDigits::Off, ..settings.clone() };
    credentials::read(authorization, key_header, &settings)
}

/// What is wrong with a text that should be a key and nothing else, as far as the text itself tells.
pub fn mistake_in(secret: &str, settings: &Settings) -> Option<Mistake> {
    if let Ok(key) = ApiKey::parse(secret) {
        let is_typed_right = api_key::verify_check_digits(key.expose().as_bytes(), &settings.key_prefix).is_ok();
        let is_asked = settings.check_digits == CheckDigits::Enforce;
        return (is_asked && !is_typed_right).then_some(Mistake::CheckDigits);
    }
    let mended = mend_key(secret).map(|(mistake, _)| mistake);
    mended.or_else(|| match ApiKey::parse(secret) {
        Ok(_) => None,
        Err(ApiKeyError::Length { got }) if got < MIN_KEY_BYTES => Some(Mistake::KeyTooShort),
        Err(ApiKeyError::Length { .. }) => Some(Mistake::KeyTooLong),
        Err(ApiKeyError::Character { .. }) => Some(Mistake::KeyCharacter),
        Err(ApiKeyError::CheckDigits) => Some(Mistake::CheckDigits),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_has_a_word_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for mistake in Mistake::ALL {
            assert!(seen.insert(mistake.as_str()), "{mistake:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_key_is_told_why() {
        let settings = Settings::default();
        for (text, mistake) in [
            ("d41d8cd98f00b204e9800998ecf8427e", None),
            ("kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7L", None),
            ("kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7M", Some(Mistake::CheckDigits)),
            ("kw_0123456789ABCDEFGHIJKL", Some(Mistake::CheckDigits)),
            ("kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7L\n", Some(Mistake::TrailingNewline)),
            (" kw_0123456789ABCDEFGHIJKLMNOPQ1SGT7L", Some(Mistake::WhiteSpace)),
            ("", Some(Mistake::KeyTooShort)),
            ("short", Some(Mistake::KeyTooShort)),
            ("d41d8cd98f00b204:e9800998ecf8427e", Some(Mistake::KeyCharacter)),
            ("d41d8cd98f00b204é9800998ecf8427e", Some(Mistake::KeyCharacter)),
        ] {
            assert_eq!(mistake_in(text, &settings), mistake, "{text:?}");
        }
        assert_eq!(mistake_in(&"k".repeat(257), &settings), Some(Mistake::KeyTooLong));
        let lenient = Settings { check_digits: CheckDigits::Off, ..settings };
        assert_eq!(mistake_in("kw_0123456789ABCDEFGHIJKL", &lenient), None);
    }
}
