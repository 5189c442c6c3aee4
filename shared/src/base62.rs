//! Base 62 with the digits in ASCII order, fixed width, most significant first.
//!
//! Knows numbers and digits only; what they stand for is the caller's.

/// The 62 digits in the order of their values: `0-9`, `A-Z`, `a-z`.
pub(crate) const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Writes `value` into `out`, zero-padded on the left. Digits that do not fit are lost, so callers
/// choose a width that holds every value (6 for a `u32`, 11 for a `u64`).
pub(crate) fn encode(mut value: u64, out: &mut [u8]) {
    // Divided by 62 within 32 bits, which WebAssembly can do by a multiplication, and only so often in 64.
    for digits in out.rchunks_mut(CHUNK_DIGITS) {
        let mut chunk = u32::try_from(value % CHUNK).unwrap_or(0);
        value /= CHUNK;
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS[(chunk % 62) as usize];
            chunk /= 62;
        }
    }
}

/// As many digits as fit 32 bits, and the number of values they have.
const CHUNK_DIGITS: usize = 5;
const CHUNK: u64 = 62_u64.pow(5);

/// The value of `digits`, or `None` for a character outside the alphabet or a value above `u64`.
pub(crate) fn decode(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, &digit| value.checked_mul(62)?.checked_add(u64::from(digit_value(digit)?)))
}

/// The value of one digit.
const fn digit_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'Z' => Some(digit - b'A' + 10),
        b'a'..=b'z' => Some(digit - b'a' + 36),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_the_next_remainder() {
        for shift in 0..64 {
            let value = 0xfedc_ba98_7654_3210_u64.rotate_left(shift) >> (shift / 2);
            for width in [1, 5, 6, 11, 13] {
                let mut got = vec![0; width];
                encode(value, &mut got);
                let digit = |at: usize| {
                    u32::try_from(at).ok().and_then(|at| 62_u64.checked_pow(at)).map_or(0, |unit| value / unit % 62)
                };
                let expected: Vec<u8> =
                    (0..width).rev().map(|at| DIGITS[usize::try_from(digit(at)).expect("below 62")]).collect();
                assert_eq!(got, expected, "{value} in {width} digits");
            }
        }
    }

    #[test]
    fn the_largest_values_fit_their_widths() {
        let mut eleven = [0; 11];
        encode(u64::MAX, &mut eleven);
        assert_eq!(&eleven, b"LygHa16AHYF");
        assert_eq!(decode(&eleven), Some(u64::MAX));
        assert_eq!(decode(b"LygHa16AHYG"), None, "one above u64::MAX");
        assert_eq!(decode(b"zzzzzzzzzzz"), None);
        assert_eq!(decode(b"0-"), None);
    }
}
