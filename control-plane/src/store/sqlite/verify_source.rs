//! A database as `keyward audit verify` reads it: only reading, page by page, and whatever somebody may
//! have written into it.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::path::Path;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions as _, FromRow as _, Row as _, SqliteConnection};

use super::error::failed;
use super::event_row::EventRow;
use super::json::write;
use super::log::{CheckpointRow, HOUR};
use super::verify_words::Words;
use super::{PATIENCE, open};
use crate::domain::audit::merkle::{Edge, Hash, Place};
use crate::domain::audit::search;
use crate::store::StoreError;
use crate::verify::{Facts, Finding, KeptCheckpoint, Piece, Source, Unreadable};

const FACTS: &str = include_str!("sql/verify_facts.sql");
const EVENTS: &str = concat!(include_str!("sql/event_select.sql"), include_str!("sql/verify_events.sql"));
const NEXT: &str = include_str!("sql/verify_next.sql");
const NODES: &str = include_str!("sql/verify_nodes.sql");
const AT: &str = include_str!("sql/log_hashes.sql");
const HOURS: &str = include_str!("sql/verify_hours.sql");
const SEARCH: &str = include_str!("sql/verify_search.sql");
const CHECKPOINTS: &str =
    concat!(include_str!("sql/checkpoint_select.sql"), include_str!("sql/verify_checkpoints.sql"));
const STRAYS: &str = include_str!("sql/verify_strays.sql");
const STRAY_CHECKPOINTS: &str =
    concat!(include_str!("sql/checkpoint_select.sql"), include_str!("sql/verify_stray_checkpoints.sql"));
const BEGIN: &str = "BEGIN";
const FIRST: &str = include_str!("sql/schema_version.sql");

/// Events of a page: all of a complete subtree, so that nearly all nodes that it completes lie within it.
const PAGE: u64 = 1_024;
/// The number that no log comes to.
const MOST: u64 = 1 << 61;
/// Rows that belong nowhere and are named.
const STRAYS_NAMED: i64 = 10;
/// The result code of a database that read-only media hold (<https://www.sqlite.org/rescode.html#cantopen>).
const CANNOT_OPEN: &str = "14";

/// The log in a database.
pub struct DatabaseSource {
    connection: SqliteConnection,
    facts: Facts,
    /// The last event that there is.
    last: u64,
    /// Nodes that the tree has.
    nodes: u64,
    /// Events that the counter has given numbers to.
    counted: u64,
    /// The first event of the next page; none behind the last page.
    next: Option<u64>,
    /// The nodes of the page.
    page: HashMap<u64, Hash>,
    /// What the events' words come to, where those of the index are held against them.
    words: Option<Words>,
}

impl DatabaseSource {
    /// The log in a file, which is not written to, not even where another process does.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(PATIENCE);
        // Where nothing can be written beside it, nobody can be writing to it. What stands in a write-ahead log
        // is a part of it, without which it would be read as it once was.
        let mut connection = match open_and_begin(&options).await {
            Err(sqlx::Error::Database(error))
                if error.code().is_some_and(|code| code == CANNOT_OPEN) && !has_ahead(path) =>
            {
                open_and_begin(&options.immutable(true)).await.map_err(failed)?
            }
            other => other.map_err(failed)?,
        };
        open::same_schema(&mut connection).await?;
        Self::over(connection).await
    }

    /// The log as this connection sees it.
    pub async fn over(mut connection: SqliteConnection) -> Result<Self, StoreError> {
        let query = sqlx::query_as(FACTS).bind(MOST.cast_signed());
        let (size, pruned, counted, last, nodes): (Option<i64>, Option<i64>, Option<i64>, Option<i64>, i64) =
            query.fetch_one(&mut connection).await.map_err(failed)?;
        let number = |found: Option<i64>| found.unwrap_or_default().max(0).cast_unsigned();
        let facts = Facts {
            pruned: number(pruned),
            start: Some(Edge::empty()),
            size: Some(number(size)),
            filter: None,
            wanted: None,
            checkpoint: None,
            has_tree: true,
        };
        let (last, nodes, counted) = (number(last), nodes.cast_unsigned(), number(counted));
        Ok(Self { connection, facts, last, nodes, counted, next: Some(1), page: HashMap::new(), words: None })
    }

    /// Holds the index of words against the events too, which reads all of it.
    #[must_use]
    pub fn with_words(self) -> Self {
        Self { words: Some(Words::new()), ..self }
    }

    /// Gives the connection back.
    pub fn into_inner(self) -> SqliteConnection {
        self.connection
    }

    async fn pieces(&mut self, first: u64) -> Result<Vec<Piece>, StoreError> {
        let last = first + PAGE - 1;
        let rows = sqlx::query(EVENTS).bind(first.cast_signed()).bind(last.cast_signed());
        let rows = rows.fetch_all(&mut self.connection).await.map_err(failed)?;
        let (low, high) = (Place::new(0, first - 1).0, Place::new(0, last - 1).0);
        let nodes = sqlx::query_as(NODES).bind(low.cast_signed()).bind(high.cast_signed());
        let nodes: Vec<(i64, Vec<u8>)> = nodes.fetch_all(&mut self.connection).await.map_err(failed)?;
        self.page = by_place(nodes);
        if rows.is_empty() && self.page.is_empty() {
            return self.gap(first).await;
        }
        let mut checkpoints = self.checkpoints(first, last).await?;
        let hours = self.hours(&rows).await?;
        let mut rows = rows.into_iter().peekable();
        let mut pieces = Vec::new();
        for seq in first..=last.min(self.last) {
            let leaf = self.page.get(&Place::new(0, seq - 1).0).copied();
            match rows.next_if(|row| row.try_get::<i64, _>("seq").is_ok_and(|found| found.cast_unsigned() == seq)) {
                Some(row) => pieces.extend(event(seq, &row, leaf, &hours)),
                None => pieces.extend(absent(seq, leaf, self.facts.pruned)),
            }
            while let Some((_, kept)) = checkpoints.pop_front_if(|(size, _)| *size == seq) {
                pieces.push(kept);
            }
        }
        let lost = self.not_found(&pieces).await?;
        if let Some(words) = &mut self.words {
            pieces.iter().filter_map(Piece::event).for_each(|event| words.add(event));
        }
        pieces.extend(lost.into_iter().map(|seq| Piece::Wrong(Finding::SearchDiffers { seq })));
        Ok(pieces)
    }

    /// The events among these that a search by what they are would miss.
    async fn not_found(&mut self, pieces: &[Piece]) -> Result<Vec<u64>, StoreError> {
        let events = pieces.iter().filter_map(Piece::event);
        let events: Vec<(u64, String)> = events.map(|event| (event.seq, search::facets(&event.document))).collect();
        let (Some((first, _)), Some((last, _))) = (events.first(), events.last()) else { return Ok(Vec::new()) };
        // Events of a page share most of what finds them.
        let words: BTreeSet<&str> = events.iter().flat_map(|(_, facets)| facets.split(' ')).collect();
        let query = sqlx::query_as(SEARCH).bind(write(&words, "audit_search")?);
        let query = query.bind(first.cast_signed()).bind(last.cast_signed());
        let found: Vec<(String, i64)> = query.fetch_all(&mut self.connection).await.map_err(failed)?;
        let found: HashSet<(&str, u64)> =
            found.iter().map(|(word, seq)| (word.as_str(), seq.cast_unsigned())).collect();
        let is_lost = |(seq, facets): &&(u64, String)| !facets.split(' ').all(|word| found.contains(&(word, *seq)));
        Ok(events.iter().filter(is_lost).map(|(seq, _)| *seq).collect())
    }

    /// Behind events of which nothing is there: how far that goes.
    async fn gap(&mut self, first: u64) -> Result<Vec<Piece>, StoreError> {
        let query = sqlx::query_scalar(NEXT).bind(first.cast_signed()).bind(MOST.cast_signed());
        let next: Option<i64> = query.fetch_one(&mut self.connection).await.map_err(failed)?;
        let next = next.map_or(self.last + 1, i64::cast_unsigned);
        // Pages begin where subtrees do.
        let page = (next - 1) / PAGE * PAGE + 1;
        self.next = Some(page);
        let last = page - 1;
        let finding = if last <= self.facts.pruned {
            Finding::NodeDiffers { first, last }
        } else {
            Finding::Missing { first: first.max(self.facts.pruned + 1), last }
        };
        Ok(vec![Piece::Wrong(finding), Piece::Gap { last }])
    }

    async fn checkpoints(&mut self, first: u64, last: u64) -> Result<VecDeque<(u64, Piece)>, StoreError> {
        let query = sqlx::query(CHECKPOINTS).bind(first.cast_signed()).bind(last.min(self.last).cast_signed());
        let query = query.bind(2 * PAGE.cast_signed());
        Ok(query.fetch_all(&mut self.connection).await.map_err(failed)?.iter().map(checkpoint).collect())
    }

    /// The hours of these events, and which they are said to hold.
    async fn hours(&mut self, rows: &[SqliteRow]) -> Result<HashMap<i64, (i64, i64)>, StoreError> {
        let hours: BTreeSet<i64> = rows.iter().filter_map(|row| row.try_get("at").ok()).map(hour).collect();
        let query = sqlx::query_as(HOURS).bind(write(&hours, "audit_hour")?);
        let rows: Vec<(i64, i64, i64)> = query.fetch_all(&mut self.connection).await.map_err(failed)?;
        Ok(rows.into_iter().map(|(hour, first, last)| (hour, (first, last))).collect())
    }

    /// What belongs to no page.
    async fn strays(&mut self) -> Result<Vec<Piece>, StoreError> {
        let size = self.facts.size.unwrap_or_default();
        let end = size.max(self.counted).min(MOST);
        let query = sqlx::query_scalar(STRAYS).bind(end.cast_signed()).bind(STRAYS_NAMED);
        let events: Vec<i64> = query.fetch_all(&mut self.connection).await.map_err(failed)?;
        let mut pieces: Vec<Piece> = events.into_iter().map(|seq| Piece::Wrong(Finding::Beyond { seq })).collect();
        let query = sqlx::query(STRAY_CHECKPOINTS).bind(self.last.cast_signed()).bind(STRAYS_NAMED);
        let checkpoints = query.fetch_all(&mut self.connection).await.map_err(failed)?;
        pieces.extend(checkpoints.iter().map(|row| checkpoint(row).1));
        if self.counted != self.last {
            let (what, told) = ("the database's counter", self.counted);
            pieces.push(Piece::Wrong(Finding::Counted { what, told, found: self.last }));
        }
        if let Some(words) = self.words.take() {
            pieces.extend(words.differ(&mut self.connection, self.last).await.into_iter().map(Piece::Wrong));
        }
        let wanted = 2 * self.last - u64::from(self.last.count_ones());
        if self.nodes != wanted {
            pieces.push(Piece::Wrong(Finding::NodeCount { found: self.nodes, wanted }));
        }
        Ok(pieces)
    }
}

async fn open_and_begin(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    // One view of it from the first page to the last, whoever writes meanwhile.
    sqlx::query(BEGIN).execute(&mut connection).await?;
    sqlx::query(FIRST).execute(&mut connection).await?;
    Ok(connection)
}

/// Whether a write-ahead log with anything in it lies beside the database, as far as that can be told.
fn has_ahead(database: &Path) -> bool {
    let mut ahead = database.as_os_str().to_owned();
    ahead.push("-wal");
    match std::fs::metadata(ahead) {
        Ok(found) => found.len() > 0,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

const fn hour(at: i64) -> i64 {
    at.div_euclid(HOUR)
}

fn by_place(rows: Vec<(i64, Vec<u8>)>) -> HashMap<u64, Hash> {
    let read = |(place, hash): (i64, Vec<u8>)| Some((place.cast_unsigned(), Hash::try_from(hash).ok()?));
    rows.into_iter().filter_map(read).collect()
}

/// An event of which only the hash is there, if that.
fn absent(seq: u64, leaf: Option<Hash>, pruned: u64) -> Vec<Piece> {
    let gap = leaf.map_or(Piece::Gap { last: seq }, |hash| Piece::Leaf { seq, hash });
    let missing = if seq > pruned {
        Some(Finding::Missing { first: seq, last: seq })
    } else {
        leaf.is_none().then_some(Finding::NodeDiffers { first: seq, last: seq })
    };
    missing.map(Piece::Wrong).into_iter().chain([gap]).collect()
}

fn event(seq: u64, row: &SqliteRow, leaf: Option<Hash>, hours: &HashMap<i64, (i64, i64)>) -> Vec<Piece> {
    let found = EventRow::from_row(row).map_err(failed).and_then(|row| {
        let at = hour(row.at().as_millis());
        Ok((at, row.read_strictly()?))
    });
    match found {
        Ok((at, mut event)) => {
            event.leaf = leaf;
            let holds = |(first, last): &(i64, i64)| (*first..=*last).contains(&seq.cast_signed());
            let is_held = hours.get(&at).is_some_and(holds);
            let hour = (!is_held).then_some(Piece::Wrong(Finding::HourDiffers { seq }));
            [Piece::Event(Box::new(event))].into_iter().chain(hour).collect()
        }
        Err(error) => {
            let what = error.to_string();
            let gap = leaf.map_or(Piece::Gap { last: seq }, |hash| Piece::Leaf { seq, hash });
            vec![Piece::Wrong(Finding::Unreadable { seq, what }), gap]
        }
    }
}

/// A checkpoint and the size it is kept at.
fn checkpoint(row: &SqliteRow) -> (u64, Piece) {
    let size = row.try_get::<i64, _>("size").unwrap_or_default().max(0).cast_unsigned();
    let piece = match CheckpointRow::from_row(row).map_err(failed).and_then(CheckpointRow::read) {
        Ok(kept) => {
            let beside = Some((kept.size, kept.root, kept.at));
            Piece::Checkpoint(KeptCheckpoint { note: kept.note, beside })
        }
        Err(error) => Piece::Wrong(Finding::Forged { size, why: error.to_string(), by: None }),
    };
    (size, piece)
}

#[async_trait]
impl Source for DatabaseSource {
    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    async fn next(&mut self) -> Result<Option<Vec<Piece>>, Unreadable> {
        let unreadable = |error| Unreadable(Box::new(error));
        let Some(first) = self.next else { return Ok(None) };
        if first > self.last {
            self.next = None;
            return self.strays().await.map(Some).map_err(unreadable);
        }
        self.next = Some(first + PAGE);
        self.pieces(first).await.map(Some).map_err(unreadable)
    }

    async fn nodes(&mut self, places: &[Place]) -> Result<Vec<Option<Hash>>, Unreadable> {
        let elsewhere: Vec<u64> =
            places.iter().map(|place| place.0).filter(|place| !self.page.contains_key(place)).collect();
        let unreadable = |error| Unreadable(Box::new(error));
        let asked = write(&elsewhere, "audit_node.place").map_err(unreadable)?;
        let query = sqlx::query_as(AT).bind(asked).fetch_all(&mut self.connection);
        let found: Vec<(i64, Vec<u8>)> = query.await.map_err(failed).map_err(unreadable)?;
        self.page.extend(by_place(found));
        Ok(places.iter().map(|place| self.page.get(&place.0).copied()).collect())
    }
}
