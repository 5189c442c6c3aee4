//! The one clock of this machine, as the parts read it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "deadlines are compared with the time at which parts were asked")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The time that a member of an answer names (RFC 3339), in milliseconds since the Unix epoch.
pub fn ms_of(value: &serde_json::Value) -> Result<i64> {
    let text = value.as_str().with_context(|| format!("{value} is not a time"))?;
    let time: jiff::Timestamp = text.parse().with_context(|| format!("{text} is not a time"))?;
    Ok(time.as_millisecond())
}

/// A time as the contract words it, so many milliseconds after the Unix epoch.
pub fn rfc3339(milliseconds: i64) -> Result<String> {
    Ok(jiff::Timestamp::from_millisecond(milliseconds)?.to_string())
}
