//! The index of words as `keyward audit verify` reads it: held against the words of the events themselves.
//!
//! The index is in the order of its words and the log in that of its events. So both are added up, a sum for
//! some neighbouring events, and neither is held in memory.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use futures_util::TryStreamExt as _;
use sqlx::SqliteConnection;

use super::error::failed;
use crate::domain::audit::search;
use crate::store::StoreError;
use crate::verify::{Finding, FoundEvent};

const TABLE: &str = include_str!("sql/verify_words_table.sql");
const WORDS: &str = include_str!("sql/verify_words.sql");
const STRUCTURE: &str = include_str!("sql/verify_words_structure.sql");

/// Events that have one sum.
const TOGETHER: i64 = 1_024;
/// Events for which the index is read through once: as many numbers of them are in memory at a time.
const AT_ONCE: i64 = 1 << 21;
/// What the structure check says where nothing is wrong.
const RIGHT: &str = "ok";

/// What the words of the events come to, less what those of the index do.
pub(super) struct Words {
    /// Keys that nobody knows, so that nobody finds words that come to the same.
    keys: [RandomState; 2],
    sums: BTreeMap<i64, u128>,
}

impl Words {
    pub(super) fn new() -> Self {
        Self { keys: [RandomState::new(), RandomState::new()], sums: BTreeMap::new() }
    }

    /// Adds the words that an event is to be found by.
    pub(super) fn add(&mut self, event: &FoundEvent) {
        let seq = event.seq.cast_signed();
        for word in search::words(&event.document).split(' ').filter(|word| !word.is_empty()) {
            let value = self.value(seq, word);
            let sum = self.sum(seq);
            *sum = sum.wrapping_add(value);
        }
    }

    /// Takes what the index has for events up to `last` from what was added, and names those that are left.
    pub(super) async fn differ(mut self, conn: &mut SqliteConnection, last: u64) -> Vec<Finding> {
        let last = last.cast_signed();
        if let Err(error) = self.take_all(conn, last).await {
            return vec![Finding::IndexBroken { what: error.to_string() }];
        }
        let sums = self.sums.into_iter().filter(|(_, sum)| *sum != 0);
        let named = |(group, _): (i64, u128)| {
            let first = (group * TOGETHER + 1).clamp(1, last.max(1));
            let last = ((group + 1) * TOGETHER).clamp(first, last.max(first));
            Finding::WordsDiffer { first: first.cast_unsigned(), last: last.cast_unsigned() }
        };
        sums.map(named).collect()
    }

    async fn take_all(&mut self, conn: &mut SqliteConnection, last: i64) -> Result<(), StoreError> {
        let said: Vec<String> = sqlx::query_scalar(STRUCTURE).fetch_all(&mut *conn).await.map_err(failed)?;
        if said != [RIGHT] {
            return Err(StoreError::corrupt("audit_search"));
        }
        sqlx::query(TABLE).execute(&mut *conn).await.map_err(failed)?;
        let mut first = 1;
        while first <= last || first == 1 {
            // What stands beyond the log's ends is read with what is next to them.
            let from = if first == 1 { i64::MIN } else { first };
            let next = first + AT_ONCE;
            let to = if next > last { i64::MAX } else { next - 1 };
            let mut rows = sqlx::query_as::<_, (String, String)>(WORDS).bind(from).bind(to).fetch(&mut *conn);
            while let Some((word, events)) = rows.try_next().await.map_err(failed)? {
                for seq in events.split(' ') {
                    let seq: i64 = seq.parse().map_err(|_| StoreError::corrupt("audit_search.rowid"))?;
                    let seq = seq.clamp(0, last + 1);
                    let value = self.value(seq, &word);
                    let sum = self.sum(seq);
                    *sum = sum.wrapping_sub(value);
                }
            }
            first = next;
        }
        Ok(())
    }

    fn sum(&mut self, seq: i64) -> &mut u128 {
        self.sums.entry((seq - 1).div_euclid(TOGETHER)).or_default()
    }

    fn value(&self, seq: i64, word: &str) -> u128 {
        let [high, low] = &self.keys;
        u128::from(high.hash_one((seq, word))) << 64 | u128::from(low.hash_one((seq, word)))
    }
}
