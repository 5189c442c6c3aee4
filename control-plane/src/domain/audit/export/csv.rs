//! An export as CSV (RFC 4180): lines end in CR LF, the first names the columns, and no cell is a formula.
//!
//! What is null is an empty cell. Lists and details are JSON in canonical form (RFC 8785).

use std::borrow::Cow;

use csv::{Terminator, Writer, WriterBuilder};
use serde_json::Value;

use super::{Exported, WriteError};
use crate::domain::audit::canonical;

/// The names of the columns.
pub const COLUMNS: [&str; 20] = [
    "seq",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "actor_ip",
    "actor_on_behalf_of",
    "action",
    "entity",
    "target_id",
    "target_name",
    "workspace_id",
    "team_id",
    "actor_team_ids",
    "reason",
    "details",
    "request_id",
    "generation",
    "hash",
    "proof",
];

/// What stands before a cell that a spreadsheet would run, and before one that begins with it.
const GUARD: char = '\'';

/// A cell as it is written: a spreadsheet runs none that begins with one of these six.
pub fn defused(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', GUARD]) {
        format!("{GUARD}{cell}").into()
    } else {
        cell.into()
    }
}

/// The text that a cell was written from.
pub fn undone(cell: &str) -> &str {
    cell.strip_prefix(GUARD).unwrap_or(cell)
}

/// Whether a cell is written as [`defused`] writes its text, and in no other way that reads the same.
pub fn is_as_written(cell: &str) -> bool {
    defused(undone(cell)) == cell
}

pub(super) fn header() -> Result<Vec<u8>, WriteError> {
    let mut rows = rows();
    rows.write_record(COLUMNS).map_err(|error| WriteError::Row(Box::new(error)))?;
    finish(rows)
}

pub(super) fn events(events: &[Exported]) -> Result<Vec<u8>, WriteError> {
    let mut rows = rows();
    for event in events {
        for cell in cells(event)? {
            rows.write_field(defused(&cell).as_bytes()).map_err(|error| WriteError::Row(Box::new(error)))?;
        }
        rows.write_record(None::<&[u8]>).map_err(|error| WriteError::Row(Box::new(error)))?;
    }
    finish(rows)
}

/// In the order of [`COLUMNS`].
fn cells(Exported { event, proof, .. }: &Exported) -> Result<[String; 20], WriteError> {
    let document = &event.document;
    let (actor, target) = (&document["actor"], &document["target"]);
    let proof = proof.as_deref().unwrap_or_default();
    Ok([
        cell(&document["seq"])?,
        cell(&document["at"])?,
        cell(&actor["kind"])?,
        cell(&actor["id"])?,
        cell(&actor["name"])?,
        cell(&actor["ip"])?,
        cell(&actor["on_behalf_of"])?,
        cell(&document["action"])?,
        cell(&document["entity"])?,
        cell(&target["id"])?,
        cell(&target["name"])?,
        cell(&document["workspace_id"])?,
        cell(&document["team_id"])?,
        cell(&document["actor_team_ids"])?,
        cell(&document["reason"])?,
        cell(&document["details"])?,
        cell(&document["request_id"])?,
        cell(&document["generation"])?,
        hex::encode(event.hash),
        proof.iter().map(hex::encode).collect::<Vec<_>>().join(" "),
    ])
}

fn cell(value: &Value) -> Result<String, WriteError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        value => String::from_utf8(canonical(value)?).map_err(|error| WriteError::Row(Box::new(error))),
    }
}

fn rows() -> Writer<Vec<u8>> {
    WriterBuilder::new().terminator(Terminator::CRLF).has_headers(false).from_writer(Vec::new())
}

fn finish(rows: Writer<Vec<u8>>) -> Result<Vec<u8>, WriteError> {
    rows.into_inner().map_err(|error| WriteError::Row(Box::new(std::io::Error::other(error.to_string()))))
}
