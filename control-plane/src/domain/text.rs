//! Texts with bounds: names, slugs, external ids, reasons, metadata.
//!
//! Each is parsed once at the rim; a value of one of these types is within its bounds for good.

use core::fmt;

use serde_json::{Map, Value};

use super::invalid::{Fault, Invalid};
use super::limits;

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
        pub struct $name(String);

        impl $name {
            /// Parses the text that stood in `field`.
            pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
                plain(field, text, $max)?;
                Ok(Self(text.to_owned()))
            }

            /// A text that was parsed before it was stored.
            pub const fn stored(text: String) -> Self {
                Self(text)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

bounded_text!(
    /// A name or title for people: 1 to [`limits::NAME_CHARS`] characters, none of them control.
    Name, limits::NAME_CHARS
);
bounded_text!(
    /// What another system calls this thing: 1 to [`limits::EXTERNAL_ID_CHARS`] characters.
    ExternalId, limits::EXTERNAL_ID_CHARS
);
bounded_text!(
    /// Why somebody did something, for the audit log: 1 to [`limits::REASON_CHARS`] characters.
    Reason, limits::REASON_CHARS
);

/// A member's address, judged as far as can be without writing to it: something on both sides of one
/// `@`, at most [`limits::EMAIL_CHARS`] characters, none of them white space or control.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Email(String);

impl Email {
    /// Parses the text that stood in `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        plain(field, text, limits::EMAIL_CHARS)?;
        let has_both_sides = text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
        if !has_both_sides || text.contains(char::is_whitespace) {
            return Err(Invalid::new(field, Fault::BadFormat, "an address such as name@example.com"));
        }
        Ok(Self(text.to_owned()))
    }

    /// An address that was parsed before it was stored.
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A workspace's short name in credentials and URLs: lower-case letters, digits and hyphens, the
/// first one no hyphen. It has no underscore, so it never reads like an id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Slug(String);

impl Slug {
    /// Parses the text that stood in `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self, Invalid> {
        dashed(field, text, limits::SLUG_MIN_CHARS, limits::SLUG_MAX_CHARS)?;
        Ok(Self(text.to_owned()))
    }

    /// A slug that was parsed before it was stored.
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The slug that a name suggests: its ASCII letters and digits in lower case, anything else a
    /// single hyphen. A name without two of them gives `workspace`.
    pub fn derive(name: &Name) -> Self {
        let mut slug = String::new();
        for character in name.as_str().chars() {
            if character.is_ascii_alphanumeric() {
                slug.push(character.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.truncate(limits::SLUG_MAX_CHARS - SUFFIX_CHARS);
        let slug = slug.trim_end_matches('-');
        Self(if slug.len() < limits::SLUG_MIN_CHARS { "workspace".to_owned() } else { slug.to_owned() })
    }

    /// The slug with a suffix from random bits, for when the derived one is taken.
    #[must_use]
    pub fn with_suffix(&self, bits: u64) -> Self {
        let stem: String = self.0.chars().take(limits::SLUG_MAX_CHARS - SUFFIX_CHARS).collect();
        Self(format!("{stem}-{:08x}", bits & 0xffff_ffff))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const SUFFIX_CHARS: usize = 9;

/// An object of whatever a client wants to keep with a thing; at most [`limits::METADATA_BYTES`].
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// Checks the bounds of the object that stood in `field`.
    pub fn parse(field: &str, object: Map<String, Value>) -> Result<Self, Invalid> {
        let value = Value::Object(object);
        if depth(&value) > limits::METADATA_DEPTH {
            let detail = format!("nested deeper than {} levels", limits::METADATA_DEPTH);
            return Err(Invalid::new(field, Fault::TooLong, detail));
        }
        let bytes = value.to_string().len();
        if bytes > limits::METADATA_BYTES {
            let detail = format!("{bytes} bytes as JSON, at most {}", limits::METADATA_BYTES);
            return Err(Invalid::new(field, Fault::TooLong, detail));
        }
        if let Some(number) = inexact(&value) {
            let detail = format!("{number} is beyond 2^53-1, and not every reader would keep it: send it as a string");
            return Err(Invalid::new(field, Fault::OutOfRange, detail));
        }
        match value {
            Value::Object(object) => Ok(Self(object)),
            _ => Ok(Self::default()),
        }
    }

    /// An object that was parsed before it was stored.
    pub const fn stored(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// The object.
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// The first integer that is no IEEE 754 double's (RFC 7493, section 2.2). The audit log hashes the
/// canonical form of RFC 8785, in which two of them could read alike.
fn inexact(value: &Value) -> Option<&serde_json::Number> {
    const MOST: u64 = (1 << 53) - 1;
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            magnitude.is_some_and(|magnitude| magnitude > MOST).then_some(number)
        }
        Value::Array(values) => values.iter().find_map(inexact),
        Value::Object(members) => members.values().find_map(inexact),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

/// Checks a text of lower-case letters, digits and hyphens that begins with a letter or digit.
pub(super) fn dashed(field: &str, text: &str, min: usize, max: usize) -> Result<(), Invalid> {
    if text.len() < min {
        return Err(Invalid::new(field, Fault::TooShort, format!("{} characters, at least {min}", text.len())));
    }
    let form = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !text.bytes().all(form) || text.starts_with('-') {
        let detail = "lower-case letters, digits and hyphens, the first one a letter or digit";
        return Err(Invalid::new(field, Fault::BadFormat, detail));
    }
    if text.len() > max {
        return Err(Invalid::new(field, Fault::TooLong, format!("{} characters, at most {max}", text.len())));
    }
    Ok(())
}

fn plain(field: &str, text: &str, max: usize) -> Result<(), Invalid> {
    let characters = text.chars().count();
    if characters == 0 {
        return Err(Invalid::new(field, Fault::TooShort, "must not be empty"));
    }
    if characters > max {
        return Err(Invalid::new(field, Fault::TooLong, format!("{characters} characters, at most {max}")));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(field, Fault::BadFormat, "must not hold control characters"));
    }
    if text.trim().is_empty() {
        return Err(Invalid::new(field, Fault::BadFormat, "must not be blank"));
    }
    Ok(())
}

/// Levels of nesting. The JSON parser bounds them before this runs, so the recursion is bounded.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault<T: fmt::Debug>(result: Result<T, Invalid>) -> Fault {
        result.expect_err("refused").fault
    }

    #[test]
    fn a_name_is_counted_in_characters_and_has_no_control_characters() {
        assert!(Name::parse("name", &"é".repeat(100)).is_ok());
        assert_eq!(fault(Name::parse("name", &"é".repeat(101))), Fault::TooLong);
        assert_eq!(fault(Name::parse("name", "")), Fault::TooShort);
        assert_eq!(fault(Name::parse("name", "a\nb")), Fault::BadFormat);
        assert_eq!(fault(Name::parse("name", "  ")), Fault::BadFormat);
    }

    #[test]
    fn a_slug_never_reads_like_an_id() {
        assert!(Slug::parse("slug", "acme-2").is_ok());
        for bad in ["ws_00000000001", "Acme", "-acme", "ac me"] {
            assert_eq!(fault(Slug::parse("slug", bad)), Fault::BadFormat, "{bad}");
        }
        assert_eq!(fault(Slug::parse("slug", "a")), Fault::TooShort);
        assert_eq!(fault(Slug::parse("slug", &"a".repeat(64))), Fault::TooLong);
    }

    #[test]
    fn an_address_has_two_sides() {
        for good in ["a@b", "ada@example.com", "\u{e4}da+x@b\u{fc}cher.example"] {
            assert!(Email::parse("email", good).is_ok(), "{good}");
        }
        for bad in ["ada", "@b", "a@", "@", "a@b@c", "a b@c", "a@b\u{a0}c", "a@b\n"] {
            assert_eq!(fault(Email::parse("email", bad)), Fault::BadFormat, "{bad}");
        }
        assert_eq!(fault(Email::parse("email", &format!("{}@b", "a".repeat(253)))), Fault::TooLong);
        assert_eq!(fault(Email::parse("email", "")), Fault::TooShort);
    }

    #[test]
    fn every_name_suggests_a_slug_that_parses() {
        for (name, slug) in [("Acme, Inc.", "acme-inc"), ("Ü", "workspace"), ("--a--b--", "a-b"), ("x", "workspace")] {
            let name = Name::parse("name", name).expect("a name");
            let derived = Slug::derive(&name);
            assert_eq!(derived.as_str(), slug);
            for slug in [derived.with_suffix(u64::MAX), derived] {
                assert!(Slug::parse("slug", slug.as_str()).is_ok());
            }
        }
        let long = Name::parse("name", &"ab ".repeat(33)).expect("a name");
        assert!(Slug::parse("slug", Slug::derive(&long).with_suffix(7).as_str()).is_ok());
    }

    #[test]
    fn metadata_is_bounded_in_bytes_and_depth() {
        let object = |value: Value| Map::from_iter([("k".to_owned(), value)]);
        assert!(Metadata::parse("metadata", object("v".repeat(4000).into())).is_ok());
        assert_eq!(fault(Metadata::parse("metadata", object("v".repeat(4096).into()))), Fault::TooLong);
        let deep = (0..20).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert_eq!(fault(Metadata::parse("metadata", object(deep))), Fault::TooLong);
    }

    #[test]
    fn metadata_holds_integers_that_every_reader_keeps() {
        let object = |value: Value| Map::from_iter([("k".to_owned(), Value::Array(vec![value]))]);
        let most = (1_i64 << 53) - 1;
        for kept in [0, most, -most] {
            assert!(Metadata::parse("metadata", object(kept.into())).is_ok(), "{kept}");
        }
        for lost in [most + 1, -most - 1, i64::MAX, i64::MIN] {
            assert_eq!(fault(Metadata::parse("metadata", object(lost.into()))), Fault::OutOfRange, "{lost}");
        }
        assert_eq!(fault(Metadata::parse("metadata", object(u64::MAX.into()))), Fault::OutOfRange);
    }
}
