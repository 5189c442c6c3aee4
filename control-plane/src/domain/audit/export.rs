//! What an exported audit log reads like, so that whoever has the file can verify it without its database.
//!
//! The form of both formats is held by `docs/audit.md` and read back by `keyward audit verify`. An event is
//! written here with everything that its hash is made of.

mod csv;
mod lines;

use serde_json::Value;

use super::merkle::Hash;
use super::{LoggedEvent, NotCanonical};

pub use csv::{COLUMNS, defused, is_as_written, undone};

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A row an event (RFC 4180).
    Csv,
    /// A JSON object a line.
    JsonLines,
}

impl Format {
    /// Every format, in the order of the docs.
    pub const ALL: [Self; 2] = [Self::Csv, Self::JsonLines];

    /// The format as it is asked for, and as a file of it ends.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }

    /// The format of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }

    /// What it is on the wire.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/x-ndjson",
        }
    }
}

/// What is said before the first event.
#[derive(Debug, Clone, PartialEq)]
pub struct Preface {
    /// Whose log it is.
    pub deployment: String,
    /// Events in the log as it is exported: the size of the checkpoint.
    pub size: u64,
    /// Events up to here had been pruned before.
    pub pruned: u64,
    /// The right edge of the tree over those.
    pub edge: Vec<Hash>,
    /// What was asked for, where not everything is in it. Each event then brings a proof.
    pub filter: Option<Value>,
    /// The signed note of the checkpoint.
    pub checkpoint: String,
}

impl Preface {
    /// Whether something may have been left out.
    pub const fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    /// What a file of this export is called.
    pub fn file_name(&self, format: Format) -> String {
        format!("keyward-audit-{}.{}", self.size, format.as_str())
    }
}

/// An event of an export.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The event.
    pub event: LoggedEvent,
    /// That it is in the tree of the preface's checkpoint (RFC 9162, section 2.1.3), where a filter was on.
    pub proof: Option<Vec<Hash>>,
    /// The note of a checkpoint that was signed when the log ended with this event.
    pub checkpoint: Option<String>,
}

/// Why something could not be written: a fault of ours.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It has no canonical form.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// It makes no row.
    #[error("the event makes no row")]
    Row(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Format {
    /// What comes before the first event.
    pub fn preface(self, preface: &Preface) -> Result<Vec<u8>, WriteError> {
        match self {
            Self::Csv => csv::header(),
            Self::JsonLines => lines::preface(preface),
        }
    }

    /// Some events, in their order.
    pub fn events(self, events: &[Exported]) -> Result<Vec<u8>, WriteError> {
        match self {
            Self::Csv => csv::events(events),
            Self::JsonLines => lines::events(events),
        }
    }

    /// What comes behind the last event, of this many.
    pub fn end(self, events: u64) -> Result<Vec<u8>, WriteError> {
        match self {
            Self::Csv => Ok(Vec::new()),
            Self::JsonLines => lines::end(events),
        }
    }
}

#[cfg(test)]
mod tests;
