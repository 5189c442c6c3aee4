//! The audit log beside its events: the tree over them, the times that they are of, what they are found by,
//! and what was signed.
//!
//! All of it is written last in the transaction of the events, for a whole group of changes at once: an
//! index of words that was touched writes a piece of itself at each savepoint.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, FromRow, SqliteConnection};
use tokio::sync::watch;

use super::error::failed;
use super::event_row::EventRow;
use super::json::write;
use super::writer::in_task;
use super::{SqliteStore, audit, audit_read};
use crate::domain::audit::merkle::{Edge, Hash, Place, leaf, peaks};
use crate::domain::audit::search::Wanted;
use crate::domain::audit::{AuditEvent, LoggedEvent, canonical, search};
use crate::domain::time::UnixMillis;
use crate::store::StoreError;
use crate::store::audit::{AuditStore, CheckpointPosition, EventQuery, StoredCheckpoint, TreeState};

const EDGE: &str = include_str!("sql/log_edge.sql");
const APPEND: &str = include_str!("sql/log_append.sql");
const TREE: &str = include_str!("sql/log_tree.sql");
const HASHES: &str = include_str!("sql/log_hashes.sql");
const COUNTERS: &str = include_str!("sql/log_counters.sql");
const BY_SEQ: &str = concat!(include_str!("sql/event_select.sql"), include_str!("sql/event_by_seq.sql"));
const BEHIND: &str = concat!(include_str!("sql/event_select.sql"), include_str!("sql/log_behind.sql"));
const RESTATE: &str = include_str!("sql/log_restate.sql");
const KEEP: &str = include_str!("sql/checkpoint_insert.sql");
const NEWEST: &str = concat!(include_str!("sql/checkpoint_select.sql"), include_str!("sql/checkpoint_newest.sql"));
const COVERING: &str = concat!(include_str!("sql/checkpoint_select.sql"), include_str!("sql/checkpoint_covering.sql"));

/// Events that are caught up with at a time.
const CAUGHT_UP: u32 = 5_000;
/// Milliseconds of the times of which it is kept which events they have.
pub(super) const HOUR: i64 = 3_600_000;
pub(super) const SECOND: i64 = 1_000;
pub(super) const SPANS: [i64; 2] = [HOUR, SECOND];

/// An event that was written and is not in the tree yet.
pub(super) struct Appended {
    pub(super) seq: u64,
    pub(super) at: UnixMillis,
    pub(super) hash: Hash,
    facets: String,
    words: String,
}

impl Appended {
    pub(super) fn new(seq: u64, at: UnixMillis, hash: Hash, document: &Value) -> Self {
        Self { seq, at, hash, facets: search::facets(document), words: search::words(document) }
    }
}

/// Takes events into the tree, in their order.
pub(super) async fn append(conn: &mut SqliteConnection, events: &[Appended]) -> Result<(), StoreError> {
    let Some(first) = events.first() else { return Ok(()) };
    let mut edge = edge(conn, first.seq - 1).await?;
    let (mut nodes, mut found) = (Vec::new(), Vec::new());
    let mut times: BTreeMap<(i64, i64), (u64, u64)> = BTreeMap::new();
    for event in events {
        if event.seq != edge.size() + 1 {
            return Err(StoreError::corrupt("audit_event.seq"));
        }
        let mut keep = |place: Place, hash: Hash| nodes.push((place.0, hex::encode(hash)));
        keep(Place::new(0, edge.size()), event.hash);
        edge.push(event.hash, keep);
        for span in SPANS {
            let time = times.entry((span, event.at.as_millis().div_euclid(span))).or_insert((event.seq, event.seq));
            time.1 = event.seq;
        }
        found.push((event.seq, &event.facets, &event.words));
    }
    let times = times.into_iter().map(|((span, number), (first, last))| (span, number, first, last));
    let times: Vec<(i64, i64, u64, u64)> = times.collect();
    let all = json!({ "nodes": nodes, "times": times, "found": found, "size": edge.size() });
    sqlx::query(APPEND).bind(all.to_string()).execute(conn).await.map(drop).map_err(failed)
}

/// The edge of the tree, which must have this size.
async fn edge(conn: &mut SqliteConnection, size: u64) -> Result<Edge, StoreError> {
    let places: Vec<u64> = peaks(size).into_iter().map(|place| place.0).collect();
    let query = sqlx::query_as(EDGE).bind(write(&places, "audit_node.place")?);
    let mut rows: Vec<(i64, Option<i64>, Option<Vec<u8>>)> = query.fetch_all(conn).await.map_err(failed)?;
    rows.sort_unstable_by_key(|(place, ..)| *place);
    let mut hashes = Vec::new();
    for (_, found, hash) in rows {
        match (found, hash) {
            (Some(found), None) if found.cast_unsigned() == size => {}
            (None, Some(hash)) => hashes.push(read_hash(hash)?),
            _ => return Err(StoreError::corrupt("audit_log.size")),
        }
    }
    Edge::new(size, hashes).ok_or(StoreError::corrupt("audit_node"))
}

pub(super) fn read_hash(bytes: Vec<u8>) -> Result<Hash, StoreError> {
    bytes.try_into().map_err(|_| StoreError::corrupt("audit_node.hash"))
}

/// Hashes of complete subtrees, in the order asked for.
async fn hashes(conn: &mut SqliteConnection, places: &[Place]) -> Result<Vec<Hash>, StoreError> {
    let asked: Vec<u64> = places.iter().map(|place| place.0).collect();
    let query = sqlx::query_as(HASHES).bind(write(&asked, "audit_node.place")?);
    let rows: Vec<(i64, Vec<u8>)> = query.fetch_all(conn).await.map_err(failed)?;
    let found: BTreeMap<u64, Vec<u8>> = rows.into_iter().map(|(place, hash)| (place.cast_unsigned(), hash)).collect();
    let hash = |place: &Place| {
        let hash = found.get(&place.0).ok_or(StoreError::corrupt("audit_node"))?;
        read_hash(hash.clone())
    };
    places.iter().map(hash).collect()
}

/// Writes events that change nothing else, in a transaction that is open; tells the number of the last.
pub(super) async fn tell(conn: &mut SqliteConnection, events: &[AuditEvent]) -> Result<u64, StoreError> {
    let (generation, last_seq): (i64, i64) = sqlx::query_as(COUNTERS).fetch_one(&mut *conn).await.map_err(failed)?;
    let appended = audit::write(conn, events, generation.cast_unsigned(), last_seq.cast_unsigned()).await?;
    append(conn, &appended).await?;
    Ok(last_seq.cast_unsigned() + appended.len() as u64)
}

/// Takes events into the tree that an older version wrote, whose hashes were made otherwise. May be cut off
/// anywhere.
pub(super) async fn catch_up(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    loop {
        let rows: Vec<EventRow> = sqlx::query_as(BEHIND).bind(CAUGHT_UP).fetch_all(&mut *conn).await.map_err(failed)?;
        let Some(last) = rows.len().checked_sub(1) else { return Ok(()) };
        let (mut restated, mut appended) = (Vec::new(), Vec::new());
        for row in rows {
            let at = row.at();
            let LoggedEvent { seq, document, hash: kept } = row.read()?;
            let bytes = canonical(&document).map_err(audit::not_canonical)?;
            if kept != Hash::from(Sha256::digest(&bytes)) {
                tracing::error!(seq, "this event of the audit log is not what was written");
                return Err(StoreError::corrupt("audit_event.hash"));
            }
            let hash = leaf(&bytes);
            restated.push((seq, audit::text(&document["details"])?, hex::encode(hash)));
            appended.push(Appended::new(seq, at, hash, &document));
        }
        let mut transaction = conn.begin().await.map_err(failed)?;
        let restate = sqlx::query(RESTATE).bind(write(&restated, "audit_event.details")?);
        restate.execute(&mut *transaction).await.map_err(failed)?;
        append(&mut transaction, &appended).await?;
        transaction.commit().await.map_err(failed)?;
        tracing::info!(through = appended[last].seq, "took events into the audit log's tree");
    }
}

#[async_trait]
impl AuditStore for SqliteStore {
    async fn tell(&self, events: Vec<AuditEvent>) -> Result<u64, StoreError> {
        let writer = self.writer.clone();
        // Begun, it is finished, whoever still waits for it.
        in_task(async move {
            let mut transaction = writer.transaction().await?;
            let last = tell(&mut transaction, &events).await?;
            transaction.commit().await?;
            writer.line.logged.send_replace(last);
            Ok(last)
        })
        .await?
    }

    fn logged(&self) -> watch::Receiver<u64> {
        self.writer.line.logged.subscribe()
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<LoggedEvent>, StoreError> {
        audit_read::events(&mut *self.reader().await?, query).await
    }

    async fn places(&self, words: &[Wanted], most: u32) -> Result<u32, StoreError> {
        audit_read::places(&mut *self.reader().await?, words, most).await
    }

    async fn event(&self, seq: u64) -> Result<Option<LoggedEvent>, StoreError> {
        let query = sqlx::query_as(BY_SEQ).bind(i64::try_from(seq).unwrap_or(i64::MAX));
        let row: Option<EventRow> = query.fetch_optional(&mut *self.reader().await?).await.map_err(failed)?;
        row.map(EventRow::read).transpose()
    }

    async fn tree(&self) -> Result<TreeState, StoreError> {
        let mut reader = self.reader().await?;
        loop {
            let (size, pruned, incarnation): (i64, i64, u32) =
                sqlx::query_as(TREE).fetch_one(&mut *reader).await.map_err(failed)?;
            let size = size.cast_unsigned();
            // Nodes are never changed, so those of a tree that has grown since are there still.
            let hashes = hashes(&mut reader, &peaks(size)).await?;
            if let Some(edge) = Edge::new(size, hashes) {
                return Ok(TreeState { edge, pruned: pruned.cast_unsigned(), incarnation });
            }
        }
    }

    async fn hashes(&self, places: &[Place]) -> Result<Vec<Hash>, StoreError> {
        hashes(&mut *self.reader().await?, places).await
    }

    async fn newest_checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        let row: Option<CheckpointRow> =
            sqlx::query_as(NEWEST).fetch_optional(&mut *self.reader().await?).await.map_err(failed)?;
        row.map(CheckpointRow::read).transpose()
    }

    async fn checkpoint_covering(&self, size: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
        let query = sqlx::query_as(COVERING).bind(i64::try_from(size).unwrap_or(i64::MAX));
        let row: Option<CheckpointRow> = query.fetch_optional(&mut *self.reader().await?).await.map_err(failed)?;
        row.map(CheckpointRow::read).transpose()
    }

    async fn checkpoints(
        &self,
        from: UnixMillis,
        to: UnixMillis,
        after: Option<CheckpointPosition>,
        limit: u16,
    ) -> Result<Vec<StoredCheckpoint>, StoreError> {
        audit_read::checkpoints(&mut *self.reader().await?, from..to, after, limit).await
    }

    async fn keep_checkpoint(&self, checkpoint: &StoredCheckpoint) -> Result<(), StoreError> {
        let StoredCheckpoint { incarnation, size, root, at, note } = checkpoint;
        sqlx::query(KEEP)
            .bind(incarnation)
            .bind(size.cast_signed())
            .bind(&root[..])
            .bind(at.as_millis())
            .bind(note)
            .execute(&mut *self.writer.alone().await?)
            .await
            .map(drop)
            .map_err(failed)
    }
}

#[derive(FromRow)]
pub(super) struct CheckpointRow {
    incarnation: u32,
    size: i64,
    root: Vec<u8>,
    at: i64,
    note: String,
}

impl CheckpointRow {
    pub(super) fn read(self) -> Result<StoredCheckpoint, StoreError> {
        Ok(StoredCheckpoint {
            incarnation: self.incarnation,
            size: self.size.cast_unsigned(),
            root: self.root.try_into().map_err(|_| StoreError::corrupt("audit_checkpoint.root"))?,
            at: UnixMillis::from_millis(self.at),
            note: self.note,
        })
    }
}
