//! The id that an edge gives a request: the edge's own, and the how manieth of its requests it is.

use core::fmt;

const INSTANCE: usize = 10;
/// Digits of the largest number that an edge counts to, in base 36.
const MAX_DIGITS: usize = 6;

/// What `X-Keyward-Request-Id` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    /// Drawn by chance when the edge began.
    pub instance: [u8; INSTANCE],
    /// The how manieth request of the edge it is.
    pub ordinal: u32,
}

impl RequestId {
    /// How one looks, as a regular expression.
    pub const PATTERN: &str = "^[0-9a-f]{20}-[1-9a-z][0-9a-z]{0,5}$";

    /// Reads what an edge has written, and no other spelling of it.
    pub fn parse(text: &str) -> Option<Self> {
        let (instance, ordinal) = text.split_once('-')?;
        let mut id = Self { instance: [0; INSTANCE], ordinal: 0 };
        hex::decode_to_slice(instance, &mut id.instance).ok()?;
        if ordinal.len() > MAX_DIGITS {
            return None;
        }
        id.ordinal = u32::from_str_radix(ordinal, 36).ok().filter(|ordinal| *ordinal > 0)?;
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", hex::encode(self.instance))?;
        let mut digits = Vec::with_capacity(MAX_DIGITS);
        let mut rest = self.ordinal;
        while rest > 0 || digits.is_empty() {
            digits.extend(char::from_digit(rest % 36, 36));
            rest /= 36;
        }
        digits.iter().rev().try_for_each(|digit| write!(f, "{digit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written() {
        for (text, ordinal) in [("1", 1), ("z", 35), ("10", 36), ("zik0zj", (1 << 31) - 1)] {
            let text = format!("00ff0123456789abcdef-{text}");
            let id = RequestId::parse(&text).expect("an id");
            assert_eq!(id.instance, [0, 0xff, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
            assert_eq!((id.ordinal, id.to_string()), (ordinal, text));
        }
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "-",
            "00ff0123456789abcdef",
            "00ff0123456789abcdef-",
            "00ff0123456789abcdef-0",
            "00ff0123456789abcdef-01",
            "00ff0123456789abcdef-+1",
            "00ff0123456789abcdef--1",
            "00ff0123456789abcdef-A",
            "00FF0123456789abcdef-a",
            "00ff0123456789abcde-a",
            "00ff0123456789abcdef0-a",
            "00ff0123456789abcdef-1000000",
            " 00ff0123456789abcdef-1",
            "00ff0123456789abcdef-1\n",
            "00ff0123456789abcdef-\u{e9}",
        ] {
            assert_eq!(RequestId::parse(text), None, "{text}");
        }
    }
}
