//! What was written, all of it with its time, so that a reader can be shown what was true a while ago.
//!
//! Pure: told the time.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use axum::body::Bytes;

/// How long a value is cached where the reader does not say.
/// <https://developers.cloudflare.com/kv/api/read-key-value-pairs/#cachettl-parameter>
pub(super) const DEFAULT_CACHE: Duration = Duration::from_mins(1);

/// What one write left under a key: a value, or nothing.
struct Version {
    value: Option<Bytes>,
    written_at: Instant,
}

/// One namespace. Nothing is ever forgotten: it lives for a test or a benchmark.
#[derive(Default)]
pub(super) struct Namespace(BTreeMap<String, Vec<Version>>);

impl Namespace {
    /// Writes a value, or deletes what is there.
    pub(super) fn write(&mut self, key: &str, value: Option<Bytes>, now: Instant) {
        self.0.entry(key.to_owned()).or_default().push(Version { value, written_at: now });
    }

    /// From now on all that was written is as if it had been written so much earlier.
    pub(super) fn age(&mut self, by: Duration) {
        for version in self.0.values_mut().flatten() {
            version.written_at = version.written_at.checked_sub(by).unwrap_or(version.written_at);
        }
    }

    /// What is under a key, in truth.
    pub(super) fn newest(&self, key: &str) -> Option<Bytes> {
        self.0.get(key)?.last()?.value.clone()
    }

    /// What somebody sees who hears of every write so late, and is shown so many writes before the newest
    /// of these: the first of all where there are not so many.
    pub(super) fn seen(&self, key: &str, late: Duration, older: usize, now: Instant) -> Option<Bytes> {
        let versions = self.0.get(key)?;
        let shown = versions.iter().take_while(|version| now.duration_since(version.written_at) >= late).count();
        versions.get(shown.checked_sub(1)?.saturating_sub(older))?.value.clone()
    }

    /// The names of all that is there and begins so, after one of them, in order.
    pub(super) fn names<'a>(&'a self, prefix: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
        let is_there = |versions: &[Version]| versions.last().is_some_and(|last| last.value.is_some());
        let names = self.0.iter().filter(move |(_, versions)| is_there(versions)).map(|(key, _)| key.as_str());
        names.filter(move |key| key.starts_with(prefix) && *key > after)
    }
}

/// What was read before, that there is nothing included.
pub(super) struct Cached {
    pub(super) value: Option<Bytes>,
    at: Instant,
}

/// The cache near one reader.
#[derive(Default)]
pub(super) struct Cache(HashMap<String, Cached>);

impl Cache {
    /// What was read of a key, if it is not older than this.
    pub(super) fn get(&self, key: &str, at_most: Duration, now: Instant) -> Option<&Cached> {
        self.0.get(key).filter(|cached| now.duration_since(cached.at) < at_most)
    }

    /// Keeps what was read.
    pub(super) fn keep(&mut self, key: &str, value: Option<Bytes>, now: Instant) {
        self.0.insert(key.to_owned(), Cached { value, at: now });
    }
}
