//! An export as CSV, as somebody reads it who trusts nobody. It has neither the checkpoint nor the size of
//! the log; both come beside it.

use std::io::{self, BufRead, Read};

use async_trait::async_trait;
use csv::{ByteRecord, Reader, ReaderBuilder};
use serde_json::{Value, json};

use super::{
    Facts, Finding, FoundEvent, MAX_BATCH_BYTES, MAX_PIECE_BYTES, MOST_EVENTS, PIECES, Piece, Source, Unreadable, hash,
    invalid,
};
use crate::domain::audit::canonical;
use crate::domain::audit::export::{COLUMNS, is_as_written, undone};
use crate::domain::audit::merkle::{Edge, Hash, Place};

/// The log in an export.
pub struct RowsSource<R> {
    reader: Reader<Bounded<R>>,
    facts: Facts,
    /// The row that was read ahead.
    ahead: Option<ByteRecord>,
    last: u64,
}

/// A reader that is given up where one row has no end.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(invalid("one of its rows is longer than any event"));
        }
        let read = self.reader.read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

impl<R: BufRead + Send> RowsSource<R> {
    /// The log in an export, of which the first rows are read.
    pub fn open(reader: R) -> io::Result<Self> {
        let bounded = Bounded { reader, left: MAX_PIECE_BYTES };
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bounded);
        if row(&mut reader)?.is_none_or(|names| !names.iter().eq(COLUMNS.map(str::as_bytes))) {
            return Err(invalid("its first row does not name the columns of an export"));
        }
        let ahead = row(&mut reader)?;
        let cell = |column| ahead.as_ref().and_then(|row| text(row, column)).unwrap_or_default();
        let filter = match &ahead {
            None => Some("the file has no event"),
            Some(_) => (!cell(19).is_empty()).then_some("each event has a proof of its own"),
        };
        let pruned = number(cell(0)).filter(|seq| *seq < MOST_EVENTS).unwrap_or(1).saturating_sub(1);
        let is_whole = pruned == 0 || filter.is_some();
        let facts = Facts {
            pruned: if filter.is_some() { 0 } else { pruned },
            start: is_whole.then(Edge::empty),
            size: None,
            filter: filter.map(str::to_owned),
            wanted: None,
            checkpoint: None,
            has_tree: false,
            incarnation: None,
        };
        Ok(Self { reader, facts, ahead, last: pruned })
    }

    fn read(&mut self) -> io::Result<Option<Vec<Piece>>> {
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while let Some(found) = self.ahead.take() {
            bytes += found.as_slice().len();
            let piece = match event(&found) {
                Ok(event) => {
                    self.last = event.seq;
                    Piece::Event(Box::new(event))
                }
                Err(what) => Piece::Wrong(Finding::Unreadable { seq: self.last + 1, what: what.to_owned() }),
            };
            pieces.push(piece);
            self.ahead = row(&mut self.reader)?;
            if pieces.len() == PIECES || bytes >= MAX_BATCH_BYTES {
                break;
            }
        }
        Ok((!pieces.is_empty()).then_some(pieces))
    }
}

fn row<R: Read>(reader: &mut Reader<Bounded<R>>) -> io::Result<Option<ByteRecord>> {
    reader.get_mut().left = MAX_PIECE_BYTES;
    let mut row = ByteRecord::new();
    let found = reader.read_byte_record(&mut row).map_err(io::Error::other)?;
    Ok(found.then_some(row))
}

fn text(row: &ByteRecord, column: usize) -> Option<&str> {
    core::str::from_utf8(row.get(column)?).ok().map(undone)
}

/// A number as it is written, and in no other way.
fn number(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

/// The event of a row, or what is wrong with it.
fn event(row: &ByteRecord) -> Result<FoundEvent, &'static str> {
    let cells: Vec<&str> = (0..row.len()).map_while(|column| text(row, column)).collect();
    let is_plain = row.iter().all(|cell| core::str::from_utf8(cell).is_ok_and(is_as_written));
    let Ok(cells) = <[&str; COLUMNS.len()]>::try_from(cells) else {
        return Err("its row has other columns, or no text");
    };
    let [seq, at, kind, id, name, ip, on_behalf_of, action, entity, target_id, target_name, ..] = cells;
    let [.., workspace, team, teams, reason, details, request, generation, told, proof] = cells;
    let or_null = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|_| "one of its cells is no JSON");
    let seq = number(seq).filter(|seq| (1..MOST_EVENTS).contains(seq)).ok_or("its number is none")?;
    let generation = number(generation).ok_or("its generation is no number")?;
    let (team_ids, told_details) = (json(teams)?, json(details)?);
    let is_exact = |value: &Value, text: &str| canonical(value).is_ok_and(|exact| exact == text.as_bytes());
    let inexact = [
        ("row", is_plain),
        ("details", is_exact(&told_details, details)),
        ("actor_team_ids", is_exact(&team_ids, teams)),
    ];
    let inexact = inexact.into_iter().find(|(_, is_exact)| !is_exact).map(|(what, _)| what);
    let document = json!({
        "seq": seq,
        "at": at,
        "actor": {
            "kind": kind,
            "id": or_null(id),
            "name": name,
            "ip": or_null(ip),
            "on_behalf_of": or_null(on_behalf_of),
        },
        "action": action,
        "entity": entity,
        "target": { "id": target_id, "name": target_name },
        "workspace_id": or_null(workspace),
        "team_id": or_null(team),
        "actor_team_ids": team_ids,
        "reason": or_null(reason),
        "details": told_details,
        "request_id": request,
        "generation": generation,
    });
    let proof: Option<Vec<Hash>> = proof.split_terminator(' ').map(hash).collect();
    let (told, proof) = hash(told).zip(proof).ok_or("its hash or proof is none")?;
    Ok(FoundEvent { seq, document, told, inexact, leaf: None, proof })
}

#[async_trait]
impl<R: BufRead + Send> Source for RowsSource<R> {
    fn facts(&self) -> Facts {
        self.facts.clone()
    }

    async fn next(&mut self) -> Result<Option<Vec<Piece>>, Unreadable> {
        self.read().map_err(|error| Unreadable(Box::new(error)))
    }

    async fn nodes(&mut self, places: &[Place]) -> Result<Vec<Option<Hash>>, Unreadable> {
        Ok(vec![None; places.len()])
    }
}
