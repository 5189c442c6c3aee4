//! Instants: milliseconds inside, whole seconds for deadlines, RFC 3339 as text.
//!
//! Nothing here reads a clock: an instant is always handed in.

use core::fmt;

const DAY_MS: i64 = 86_400_000;

/// An instant in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(i64);

impl UnixMillis {
    /// The instant that is `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads what is written of an instant, and no other spelling of it.
    pub fn parse(text: &str) -> Option<Self> {
        let read = Self(text.parse::<jiff::Timestamp>().ok()?.as_millisecond());
        (read.to_string() == text).then_some(read)
    }

    /// Reads an instant of RFC 3339, section 5.6, with any offset; what is beyond milliseconds is cut off.
    pub fn read(text: &str) -> Option<Self> {
        let text = Some(text).filter(|text| has_rfc_3339_shape(text.as_bytes()))?;
        Some(Self(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()))
    }

    /// The instant `seconds` later; the far end of time stays where it is.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(seconds as i64 * 1000))
    }

    /// The instant `days` of 24 hours later.
    #[must_use]
    pub const fn plus_days(self, days: u16) -> Self {
        Self(self.0.saturating_add(days as i64 * DAY_MS))
    }
}

/// A day by UTC, counted from the first of 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixDay(i64);

impl UnixDay {
    /// The day that `instant` lies in.
    pub const fn of(instant: UnixMillis) -> Self {
        Self(instant.0.div_euclid(DAY_MS))
    }

    /// Reads a day as RFC 3339 writes one (section 5.6, `full-date`).
    pub fn read(text: &str) -> Option<Self> {
        UnixMillis::read(&format!("{text}T00:00:00Z")).map(Self::of)
    }

    /// Days since the first of 1970.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The day so many days later.
    #[must_use]
    pub const fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }
}

/// A deadline in whole seconds since the Unix epoch, as the snapshot's records carry it.
///
/// It holds while `now < deadline`. The value `u32::MAX` stands for "never" on the wire, so no
/// deadline has it: the last one is in February 2106.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(u32);

impl UnixSeconds {
    /// The deadline at `seconds`, or `None` for the value that the wire keeps for "never".
    pub const fn new(seconds: u32) -> Option<Self> {
        if seconds == u32::MAX { None } else { Some(Self(seconds)) }
    }

    /// The second that `instant` lies in, or `None` outside 1970 to 2106.
    pub fn floor(instant: UnixMillis) -> Option<Self> {
        u32::try_from(instant.0.div_euclid(1000)).ok().and_then(Self::new)
    }

    /// Seconds since the Unix epoch.
    pub const fn as_seconds(self) -> u32 {
        self.0
    }

    /// The deadline's own instant, the first at which it no longer holds.
    pub const fn instant(self) -> UnixMillis {
        UnixMillis(self.0 as i64 * 1000)
    }

    /// Whether the deadline has passed at `now`.
    pub const fn passed(self, now: UnixMillis) -> bool {
        now.0 >= self.instant().0
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => fmt::Display::fmt(&timestamp, f),
            // Beyond the year 9999 there is no RFC 3339 text.
            Err(_) => write!(f, "@{}ms", self.0),
        }
    }
}

impl fmt::Display for UnixDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = UnixMillis(self.0.saturating_mul(DAY_MS)).to_string();
        f.write_str(text.split('T').next().unwrap_or(&text))
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.instant(), f)
    }
}

impl serde::Serialize for UnixMillis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl serde::Serialize for UnixDay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl serde::Serialize for UnixSeconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether a text has the shape of RFC 3339, section 5.6. The library that reads it takes more of
/// ISO 8601 (no seconds, no hyphens, a zone in brackets), which other readers of the log may not.
fn has_rfc_3339_shape(text: &[u8]) -> bool {
    const SECONDS: &[u8] = b"0000-00-00T00:00:00";
    const OFFSET: &[u8] = b"+00:00";
    let alike = |text: &[u8], model: &[u8]| {
        text.len() == model.len()
            && text.iter().zip(model).all(|(byte, model)| match model {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't'),
                b'+' => matches!(byte, b'+' | b'-'),
                other => byte == other,
            })
    };
    let Some((seconds, rest)) = text.split_at_checked(SECONDS.len()) else {
        return false;
    };
    let zone = match rest.strip_prefix(b".") {
        Some(fraction) => {
            fraction.iter().position(|byte| !byte.is_ascii_digit()).filter(|&at| at > 0).map(|at| &fraction[at..])
        }
        None => Some(rest),
    };
    alike(seconds, SECONDS) && zone.is_some_and(|zone| matches!(zone, b"Z" | b"z") || alike(zone, OFFSET))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_rounded_down_and_passes_at_its_second() {
        let deadline = UnixSeconds::floor(UnixMillis::from_millis(1_999)).expect("in range");
        assert_eq!(deadline.as_seconds(), 1);
        assert!(!deadline.passed(UnixMillis::from_millis(999)));
        assert!(deadline.passed(UnixMillis::from_millis(1_000)));
    }

    #[test]
    fn what_a_record_cannot_carry_is_no_deadline() {
        assert_eq!(UnixSeconds::floor(UnixMillis::from_millis(-1)), None);
        assert_eq!(UnixSeconds::floor(UnixMillis::from_millis(i64::from(u32::MAX) * 1000)), None);
    }

    #[test]
    fn a_day_is_read_as_it_is_written_and_holds_its_instants() {
        for (text, number) in [("1970-01-01", 0), ("1969-12-31", -1), ("2026-11-22", 20_779), ("2024-02-29", 19_782)] {
            let day = UnixDay::read(text).expect("a day");
            assert_eq!((day.number(), day.to_string()), (number, text.to_owned()));
            assert_eq!(UnixDay::of(UnixMillis(number * DAY_MS)), day);
            assert_eq!(UnixDay::of(UnixMillis((number + 1) * DAY_MS - 1)), day);
        }
        for other in ["", "today", "2026-11", "2026-02-29", "26-11-22", "2026-11-22T00:00:00Z", "2026-1-2", "20261122"]
        {
            assert_eq!(UnixDay::read(other), None, "{other}");
        }
    }

    #[test]
    fn the_text_is_rfc_3339_in_utc() {
        assert_eq!(UnixMillis::from_millis(1_700_000_000_123).to_string(), "2023-11-14T22:13:20.123Z");
        assert_eq!(UnixMillis::from_millis(1_700_000_000_000).to_string(), "2023-11-14T22:13:20Z");
        for millis in [0, 1, -1, 1_700_000_000_123, 1_700_000_000_120] {
            let instant = UnixMillis::from_millis(millis);
            assert_eq!(UnixMillis::parse(&instant.to_string()), Some(instant));
        }
        for other in ["", "now", "2023-11-14T22:13:20.000Z", "2023-11-14 22:13:20Z", "2023-11-14T22:13:20+00:00"] {
            assert_eq!(UnixMillis::parse(other), None, "{other}");
        }
    }
}
