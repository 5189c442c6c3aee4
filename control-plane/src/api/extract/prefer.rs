//! `Prefer: wait=N` (RFC 7240, section 4.3): holds an answer back until edges have applied the change.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::api::{ApiState, frame};
use crate::domain::change::Generation;
use crate::receipts::Wanted;

/// The longest that is waited.
const MOST_SECONDS: u64 = 30;
/// Reports come in crowds: after one, others are waited for.
const PAUSE: Duration = Duration::from_millis(50);
/// How often to look while none come: an edge that is live no more holds nobody up.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Somebody wants to be answered when edges have applied the change. Made before the change is: its head
/// says that somebody waits.
pub(super) struct Wait {
    until: Instant,
    _wanted: Wanted,
}

impl Wait {
    /// What a request prefers, if it would wait at all.
    pub(super) fn of(parts: &Parts, api: &ApiState) -> Option<Self> {
        let seconds = seconds(&parts.headers).filter(|seconds| *seconds > 0)?;
        let until = Instant::now() + Duration::from_secs(seconds.min(MOST_SECONDS));
        Some(Self { until: until.min(frame::answered_by(parts)), _wanted: api.receipts.want() })
    }

    /// Waits until every live edge has applied a generation; says whether they have, and there are any. A server
    /// that stops waits no longer, and nothing that is looked at keeps the answer back for longer than was asked.
    pub(super) async fn applied(self, api: &ApiState, generation: Generation) -> bool {
        let applied = async {
            tokio::select! {
                applied = applied(api, generation) => applied,
                () = api.receipts.ended() => false,
            }
        };
        timeout_at(self.until, applied).await.unwrap_or(false)
    }
}

/// Waits until every live edge has applied a generation; false where that cannot be told.
async fn applied(api: &ApiState, generation: Generation) -> bool {
    let mut reports = api.receipts.reports();
    let mut since = Instant::now();
    loop {
        reports.mark_unchanged();
        let look = api.lifecycle.applied_by_live(api.clock.now());
        match api.receipts.applied_since(since, look).await {
            Ok(Some(applied)) if applied >= generation => return true,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot tell what edges have applied");
                return false;
            }
        }
        since = match timeout(LOOK_EVERY, reports.changed()).await {
            Ok(_) => Instant::now(),
            // No report came: what others saw of late will do.
            Err(_) => Instant::now() - LOOK_EVERY / 2,
        };
        sleep(PAUSE).await;
    }
}

/// The first `wait` among all preferences, whatever they are. What cannot be read is not preferred: a
/// preference never fails a request (RFC 7240, section 2).
fn seconds(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(preferences);
    let (_, value) = preferences.find(|(name, _)| name.eq_ignore_ascii_case("wait"))?;
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // So many digits that no number holds them still ask for the longest wait.
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

/// Names and values of a field's preferences, without their parameters.
fn preferences(field: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut quoted = false;
    let mut escaped = false;
    let separates = move |character: char| {
        if escaped {
            escaped = false;
        } else {
            match character {
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ',' => return !quoted,
                _ => {}
            }
        }
        false
    };
    field.split(separates).map(|preference| {
        let preference = preference.split(';').next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        (name.trim(), unquoted.unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(fields: &[&str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("prefer", HeaderValue::from_str(field).expect("a value"));
        }
        seconds(&headers)
    }

    #[test]
    fn a_wait_is_found_among_other_preferences() {
        for (fields, expected) in [
            (&["wait=10"][..], Some(10)),
            (&["respond-async, wait=10"], Some(10)),
            (&["respond-async", "wait=10"], Some(10)),
            (&["Wait = 10"], Some(10)),
            (&["wait=\"10\""], Some(10)),
            (&["wait=10; foo=bar"], Some(10)),
            (&["foo=\"a, wait=5\", wait=7"], Some(7)),
            (&["foo=\"a\\\", wait=5\", wait=7"], Some(7)),
            (&["wait=0"], Some(0)),
            (&["wait=99999999999999999999999"], Some(u64::MAX)),
        ] {
            assert_eq!(read(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn only_the_first_of_a_preference_counts() {
        assert_eq!(read(&["wait=1, wait=2"]), Some(1));
        assert_eq!(read(&["wait=1", "wait=2"]), Some(1));
        assert_eq!(read(&["wait=x, wait=2"]), None);
    }

    #[test]
    fn what_is_no_wait_is_none() {
        for field in ["", "wait", "wait=", "wait=-1", "wait=1.5", "wait=+1", "waits=1", "foo=\"wait=3", ",,;=,"] {
            assert_eq!(read(&[field]), None, "{field}");
        }
        assert_eq!(read(&[]), None);
    }
}
