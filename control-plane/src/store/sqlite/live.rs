//! Reading many live secrets at once.
//!
//! Secrets come in the order of their fingerprints, in which their keys are scattered all over the
//! database. So their ids are read from an index alone, and the keys and workspaces afterwards in
//! the order in which they lie. SQLite packs what it read into one row a batch: handing a row over
//! costs more than reading one.

pub(super) mod record;

use std::collections::HashMap;
use std::hash::Hash;

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::WorkspaceId;
use keyward_shared::policy::{Policy, SlugHash};
use keyward_shared::record::Record;
use sqlx::SqliteConnection;

use super::error::failed;
use super::json;
use crate::store::StoreError;
use crate::store::live::LiveSecrets;

const SCAN: &str = include_str!("sql/publication/live_scan.sql");
const KEYS: &str = include_str!("sql/publication/live_scan_keys.sql");
const WORKSPACES: &str = include_str!("sql/publication/live_scan_workspaces.sql");

/// Rows that one statement looks up.
const BATCH: usize = 4_096;
/// Bytes of words that keys have for what they may do, each wording once, in memory at a time.
const WORDS_BYTES: usize = 48 << 20;
/// Between the words of one key, and between keys.
const WORD: char = '\u{1f}';
const KEY: char = '\u{1e}';

/// What keys may do, as the database words it.
type Words = (keyward_shared::policy::Access, keyward_shared::policy::Apis, keyward_shared::policy::Restrictions);

/// Numbers for values, given in the order in which they come.
struct Numbered<K>(HashMap<K, u32>);

impl<K: Eq + Hash> Numbered<K> {
    fn new() -> Self {
        Self(HashMap::new())
    }

    fn of(&mut self, value: K) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(value).or_insert(next)
    }
}

/// The live secrets of these ranges, or `None` where they would take more memory than a build may use.
pub(super) async fn read(
    conn: &mut SqliteConnection,
    ranges: &[(Fingerprint, Fingerprint)],
) -> Result<Option<LiveSecrets>, StoreError> {
    let (mut records, mut ends) = (Vec::new(), Vec::with_capacity(ranges.len()));
    for (from, to) in ranges {
        scan(conn, from, to, &mut records).await?;
        ends.push(records.len());
    }
    // One range alone is given whatever it takes: less cannot be asked for.
    let most = if ranges.len() > 1 { WORDS_BYTES } else { usize::MAX };
    let Some(granted) = keys(conn, &mut records, most).await? else {
        return Ok(None);
    };
    let Granted { words, workspaces, combinations } = granted;
    let workspaces = look_up_workspaces(conn, workspaces).await?;
    let combinations = in_order(combinations);
    let mut policies = Vec::with_capacity(combinations.len());
    let mut suspended = Vec::with_capacity(combinations.len());
    for (workspace, worded) in combinations {
        let found = workspaces.get(workspace as usize).ok_or(StoreError::corrupt("key.workspace_id"))?;
        let (access, apis, restrictions) =
            words.get(worded as usize).ok_or(StoreError::corrupt("a key's policy"))?.clone();
        policies.push(Policy { workspace: found.0, slug: found.1, access, apis, restrictions });
        suspended.push(found.2);
    }
    for (_, record, policy) in &mut records {
        record.suspended = suspended.get(*policy as usize).copied().unwrap_or(true);
    }
    LiveSecrets::new(records, ends, policies).map(Some).ok_or(StoreError::corrupt("live secrets"))
}

/// Adds the secrets of one range. Policy, member and flags are yet to come.
async fn scan(
    conn: &mut SqliteConnection,
    from: &Fingerprint,
    to: &Fingerprint,
    records: &mut Vec<(Fingerprint, Record, u32)>,
) -> Result<(), StoreError> {
    let (fingerprints, keys, slots, deadlines): (Vec<u8>, String, String, String) = sqlx::query_as(SCAN)
        .bind(from.as_bytes().as_slice())
        .bind(to.as_bytes().as_slice())
        .fetch_one(conn)
        .await
        .map_err(failed)?;
    let (fingerprints, rest) = fingerprints.as_chunks::<{ Fingerprint::LEN }>();
    let corrupt = || StoreError::corrupt("secret");
    if fingerprints.is_empty() && rest.is_empty() {
        return Ok(());
    }
    let (mut keys, mut slots, mut deadlines) = (keys.split(','), slots.split(','), deadlines.split(','));
    for fingerprint in fingerprints {
        let key = integer(keys.next().ok_or_else(corrupt)?)?;
        let slot = integer(slots.next().ok_or_else(corrupt)?)?;
        let deadline = match deadlines.next().ok_or_else(corrupt)? {
            "" => None,
            seconds => Some(integer(seconds)?),
        };
        let record = record::of_secret(key, slot, deadline)?;
        records.push((Fingerprint::from_bytes(*fingerprint), record, u32::MAX));
    }
    let done = rest.is_empty() && keys.next().is_none() && slots.next().is_none() && deadlines.next().is_none();
    if done { Ok(()) } else { Err(corrupt()) }
}

/// What keys are granted, and where.
struct Granted {
    words: Vec<Words>,
    workspaces: Numbered<i64>,
    /// Numbers of workspace and words.
    combinations: Numbered<(u32, u32)>,
}

/// Fills in what the keys say. `None` where their words take more bytes than that.
async fn keys(
    conn: &mut SqliteConnection,
    records: &mut [(Fingerprint, Record, u32)],
    most_words_bytes: usize,
) -> Result<Option<Granted>, StoreError> {
    let mut order: Vec<u32> = (0..u32::try_from(records.len()).unwrap_or(u32::MAX)).collect();
    let id_of = |records: &[(Fingerprint, Record, u32)], at: u32| records[at as usize].1.key.as_u64().cast_signed();
    order.sort_unstable_by_key(|&at| id_of(records, at));
    let mut ids: Vec<i64> = order.iter().map(|&at| id_of(records, at)).collect();
    ids.dedup();
    let mut order = order.into_iter().peekable();
    let (mut worded, mut words, mut words_bytes) = (Numbered::<String>::new(), Vec::new(), 0);
    let mut granted = Granted { words: Vec::new(), workspaces: Numbered::new(), combinations: Numbered::new() };
    for ids in ids.chunks(BATCH) {
        let (keys, members, workspaces, statuses, paused, texts): (String, String, String, String, String, String) =
            sqlx::query_as(KEYS).bind(array(ids)).fetch_one(&mut *conn).await.map_err(failed)?;
        let (mut members, mut workspaces) = (members.split(','), workspaces.split(','));
        let (mut statuses, mut paused, mut texts) = (statuses.split(','), paused.split(','), texts.split(KEY));
        for key in keys.split(',').filter(|key| !key.is_empty()) {
            let corrupt = || StoreError::corrupt("key");
            let id = integer(key)?;
            let member = integer(members.next().ok_or_else(corrupt)?)?;
            let workspace = granted.workspaces.of(integer(workspaces.next().ok_or_else(corrupt)?)?);
            let status = statuses.next().ok_or_else(corrupt)?;
            let paused = paused.next().ok_or_else(corrupt)? != "0";
            let text = texts.next().ok_or_else(corrupt)?;
            let number = if let Some(&number) = worded.0.get(text) {
                number
            } else {
                words_bytes += text.len();
                words.push(read_words(text)?);
                worded.of(text.to_owned())
            };
            let policy = granted.combinations.of((workspace, number));
            while let Some(at) = order.next_if(|&at| id_of(records, at) == id) {
                let (_, record, policy_of) = &mut records[at as usize];
                record::hear_key(record, member, status, paused);
                *policy_of = policy;
            }
        }
        if words_bytes > most_words_bytes {
            return Ok(None);
        }
    }
    // A secret without its key.
    if order.next().is_some() {
        return Err(StoreError::corrupt("secret.key_id"));
    }
    granted.words = words;
    Ok(Some(granted))
}

fn read_words(text: &str) -> Result<Words, StoreError> {
    let mut parts = text.split(WORD);
    let (Some(access), Some(apis), Some(restrictions), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(StoreError::corrupt("a key's policy"));
    };
    Ok((json::access(access)?, json::read_apis(apis)?, json::read_restrictions(restrictions)?))
}

/// The workspaces by their numbers: id, hash of the slug, and whether it is suspended.
async fn look_up_workspaces(
    conn: &mut SqliteConnection,
    wanted: Numbered<i64>,
) -> Result<Vec<(WorkspaceId, SlugHash, bool)>, StoreError> {
    let mut numbered: Vec<(i64, u32)> = wanted.0.into_iter().collect();
    numbered.sort_unstable();
    let mut found = vec![(WorkspaceId::from_u64(0), SlugHash::of(""), true); numbered.len()];
    for batch in numbered.chunks(BATCH) {
        let ids: Vec<i64> = batch.iter().map(|(id, _)| *id).collect();
        let (ids, slugs, statuses): (String, String, String) =
            sqlx::query_as(WORKSPACES).bind(array(&ids)).fetch_one(&mut *conn).await.map_err(failed)?;
        let mut rows = ids.split(',').zip(slugs.split(',')).zip(statuses.split(','));
        for (wanted, number) in batch {
            let corrupt = || StoreError::corrupt("key.workspace_id");
            let ((id, slug), status) = rows.next().ok_or_else(corrupt)?;
            if integer(id)? != *wanted {
                return Err(corrupt());
            }
            let place = found.get_mut(*number as usize).ok_or_else(corrupt)?;
            *place = (WorkspaceId::from_u64(wanted.cast_unsigned()), SlugHash::of(slug), record::is_suspended(status));
        }
    }
    Ok(found)
}

fn in_order(combinations: Numbered<(u32, u32)>) -> Vec<(u32, u32)> {
    let mut all: Vec<_> = combinations.0.into_iter().collect();
    all.sort_unstable_by_key(|(_, number)| *number);
    all.into_iter().map(|(combination, _)| combination).collect()
}

/// Ids as a JSON array.
fn array(ids: &[i64]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(ids.len() * 21 + 2);
    text.push('[');
    for (number, id) in ids.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{id}");
    }
    text.push(']');
    text
}

fn integer(text: &str) -> Result<i64, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt("an integer"))
}
