//! Verifies an audit log with nobody's help: recomputes every hash and the tree over them, and holds that
//! against checkpoints, those that are kept beside the log and those that somebody kept elsewhere.
//!
//! One pass over the log in its order; what is held in memory does not grow with it. Knows the domain and
//! how exports are written: neither the database, which is a source like others, nor how the log came to be.

mod finding;
mod lines;
mod pass;
mod report;
mod rows;
mod witness;

use std::io;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::audit::filter::EventFilter;
use crate::domain::audit::merkle::{Edge, Hash, Place};
use crate::domain::time::UnixMillis;

pub use finding::Finding;
pub use lines::LinesSource;
pub use report::{Agreed, Found, Report};
pub use rows::RowsSource;
pub use witness::{Trust, Untrusted, Witness, notes};

/// The longest line or row of an export that is read: far more than an event has.
const MAX_PIECE_BYTES: u64 = 64 * 1024 * 1024;
/// Pieces of an export that are read at a time, and bytes after which no further is.
const PIECES: usize = 256;
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// No log comes to so many events; with fewer, places in its tree are numbers that there are.
const MOST_EVENTS: u64 = 1 << 61;

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A hash as it is written, and in no other way.
fn hash(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text, &mut hash).ok()?;
    (!text.bytes().any(|byte| byte.is_ascii_uppercase())).then_some(hash)
}

/// What a log says of itself before its first event is read.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Events up to here were pruned.
    pub pruned: u64,
    /// The tree over the events that come before the first piece; none where it is not known.
    pub start: Option<Edge>,
    /// Events that there are said to be.
    pub size: Option<u64>,
    /// The filter that was on, as it is told: then each event has a proof of its own.
    pub filter: Option<String>,
    /// What was asked for, where it is told in full and can be read.
    pub wanted: Option<EventFilter>,
    /// The signed checkpoint of an export.
    pub checkpoint: Option<String>,
    /// Whether the tree's nodes are kept beside the events.
    pub has_tree: bool,
}

/// An event as it was found.
#[derive(Debug, Clone)]
pub struct FoundEvent {
    /// Its number.
    pub seq: u64,
    /// All of it that its hash is made of.
    pub document: Value,
    /// The hash that it says it has.
    pub told: Hash,
    /// What is not spelled as it is written down first, so that another text would have the same hash.
    pub inexact: Option<&'static str>,
    /// The hash that the tree keeps of it.
    pub leaf: Option<Hash>,
    /// The proof that it is in the log, of an export with a filter.
    pub proof: Vec<Hash>,
}

/// A checkpoint that is kept beside the events.
#[derive(Debug, Clone)]
pub struct KeptCheckpoint {
    /// The signed note.
    pub note: String,
    /// Size, root and time that stand beside the note.
    pub beside: Option<(u64, Hash, UnixMillis)>,
}

/// The next piece of a log.
#[derive(Debug)]
pub enum Piece {
    /// An event.
    Event(Box<FoundEvent>),
    /// The hash of an event that is not there, or not to be read.
    Leaf {
        /// The event's number.
        seq: u64,
        /// What the tree keeps of it.
        hash: Hash,
    },
    /// Events up to this one of which nothing is there.
    Gap {
        /// The last.
        last: u64,
    },
    /// A checkpoint of the events so far.
    Checkpoint(KeptCheckpoint),
    /// Something that was wrong in the reading.
    Wrong(Finding),
}

impl Piece {
    /// The event, where it is one.
    pub fn event(&self) -> Option<&FoundEvent> {
        if let Self::Event(event) = self { Some(event) } else { None }
    }
}

/// A log cannot be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the log: {0}")]
pub struct Unreadable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Where a log is read from.
#[async_trait]
pub trait Source: Send {
    /// What it says of itself.
    fn facts(&self) -> Facts;

    /// The next pieces in the log's order; none at its end.
    async fn next(&mut self) -> Result<Option<Vec<Piece>>, Unreadable>;

    /// The hashes that are kept at these places, where a tree is kept.
    async fn nodes(&mut self, places: &[Place]) -> Result<Vec<Option<Hash>>, Unreadable>;
}

/// Verifies a log. Each witness is a checkpoint that did not come from where the log did.
pub async fn verify(source: &mut dyn Source, witnesses: Vec<Witness>, trust: &Trust) -> Result<Report, Unreadable> {
    let facts = source.facts();
    let has_tree = facts.has_tree;
    let mut pass = pass::Pass::new(facts, witnesses, trust);
    while let Some(pieces) = source.next().await? {
        for piece in pieces {
            pass.take(piece);
        }
        let made = pass.made();
        if has_tree {
            let places: Vec<Place> = made.iter().map(|(place, _)| *place).collect();
            pass.compare(&made, &source.nodes(&places).await?);
        }
    }
    Ok(pass.finish())
}
