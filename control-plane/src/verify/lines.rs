//! An export as JSON Lines, as somebody reads it who trusts nobody.

use std::io::{self, BufRead, Read as _};

use async_trait::async_trait;
use serde_json::Value;

use super::{
    Facts, Finding, FoundEvent, KeptCheckpoint, MAX_BATCH_BYTES, MAX_PIECE_BYTES, MOST_EVENTS, PIECES, Piece, Source,
    Unreadable, invalid,
};
use crate::domain::audit::checkpoint::{Checkpoint, incarnation_of};
use crate::domain::audit::filter::EventFilter;
use crate::domain::audit::merkle::{Edge, Hash, Place};
use crate::domain::audit::{canonical, note};

/// Members of the first line.
const MEMBERS: usize = 8;
const INEXACT: &str = "it is not spelled as Keyward writes it, so it was changed";

/// The log in an export.
pub struct LinesSource<R> {
    reader: R,
    facts: Facts,
    /// Events so far, and the last one's number.
    events: u64,
    last: u64,
    is_ended: bool,
    is_done: bool,
    /// What is wrong with the first line, until it is told.
    wrong: Vec<Finding>,
}

impl<R: BufRead + Send> LinesSource<R> {
    /// The log in an export, of which the first line is read.
    pub fn open(mut reader: R) -> io::Result<Self> {
        let line = line(&mut reader)?.ok_or_else(|| invalid("it is empty"))?;
        let preface: Value = serde_json::from_slice(&line).map_err(|_| invalid("its first line is no preface"))?;
        let facts = facts(&preface).ok_or_else(|| invalid("its first line is not that of an export"))?;
        let wrong = doubts(&preface, &line, &facts).map(|what| Finding::Line { which: "first", what }).collect();
        let last = facts.pruned;
        Ok(Self { reader, facts, events: 0, last, is_ended: false, is_done: false, wrong })
    }

    fn read(&mut self) -> io::Result<Option<Vec<Piece>>> {
        if self.is_done {
            return Ok(None);
        }
        let (mut pieces, mut bytes) = (self.wrong.drain(..).map(Piece::Wrong).collect::<Vec<_>>(), 0);
        while pieces.len() < PIECES && bytes < MAX_BATCH_BYTES {
            let Some(line) = line(&mut self.reader)? else {
                self.is_done = true;
                if !self.is_ended {
                    pieces.push(Piece::Wrong(Finding::Cut { after: self.last }));
                }
                break;
            };
            bytes += line.len();
            self.add(&line, &mut pieces);
        }
        Ok(Some(pieces))
    }

    /// Adds what a line says; nothing where it is the end, as it should be.
    fn add(&mut self, line: &[u8], pieces: &mut Vec<Piece>) {
        let seq = self.last + 1;
        let wrong = |what: &str| Piece::Wrong(Finding::Unreadable { seq, what: what.to_owned() });
        let Ok(mut document) = serde_json::from_slice::<Value>(line) else {
            return pieces.push(wrong("its line is no JSON"));
        };
        let is_exact = canonical(&document).is_ok_and(|exact| exact == line);
        let Some(members) = document.as_object_mut().filter(|_| !self.is_ended) else {
            return pieces.push(wrong("its line is no event, or stands behind the end"));
        };
        if let Some(note) = members.get("checkpoint").and_then(Value::as_str) {
            pieces.push(Piece::Checkpoint(KeptCheckpoint { note: note.to_owned(), beside: None }));
            if !is_exact || members.len() != 1 {
                pieces.push(Piece::Wrong(Finding::Inexact { seq: self.last, what: "checkpoint" }));
            }
            return;
        }
        if members.contains_key("end") {
            self.is_ended = true;
            let told = members.get("events").and_then(Value::as_u64).unwrap_or_default();
            if told != self.events {
                let found = self.events;
                pieces.push(Piece::Wrong(Finding::Counted { what: "the last line", told, found }));
            }
            if !is_exact || members.len() != 2 || members.get("end") != Some(&Value::Bool(true)) {
                pieces.push(Piece::Wrong(Finding::Line { which: "last", what: INEXACT }));
            }
            return;
        }
        let (told, proof) = (members.remove("hash"), members.remove("proof"));
        let is_as_asked = proof.is_some() == self.facts.filter.is_some();
        let seq = members.get("seq").and_then(Value::as_u64).filter(|seq| (1..MOST_EVENTS).contains(seq));
        let told = told.as_ref().and_then(hash);
        let proof = proof.map_or(Some(Vec::new()), |proof| proof.as_array()?.iter().map(hash).collect());
        let (Some(seq), Some(told), Some(proof)) = (seq, told, proof) else {
            return pieces.push(wrong("it has no number, hash or proof as they are written"));
        };
        let inexact = (!is_exact || !is_as_asked).then_some("line");
        (self.events, self.last) = (self.events + 1, seq);
        pieces.push(Piece::Event(Box::new(FoundEvent { seq, document, told, inexact, leaf: None, proof })));
    }
}

/// A line without its end; none behind the last.
fn line(reader: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.by_ref().take(MAX_PIECE_BYTES).read_until(b'\n', &mut line)?;
    if line.len() as u64 == MAX_PIECE_BYTES {
        return Err(invalid("one of its lines is longer than any event"));
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(line));
    }
    Ok((!line.is_empty()).then_some(line))
}

fn facts(preface: &Value) -> Option<Facts> {
    if preface["keyward_audit_export"] != 1 {
        return None;
    }
    let number = |member: &str| preface[member].as_u64().filter(|number| *number < MOST_EVENTS);
    let pruned = number("pruned")?;
    let edge: Option<Vec<Hash>> = preface["edge"].as_array()?.iter().map(hash).collect();
    let is_filtered = preface["filtered"].as_bool()?;
    // What is not understood of a filter cannot be held against the events.
    let is_read = |filter: &EventFilter| serde_json::to_value(filter).is_ok_and(|read| read == preface["filter"]);
    Some(Facts {
        pruned,
        start: Some(Edge::new(pruned, edge?)?),
        size: Some(number("size")?),
        filter: is_filtered.then(|| preface["filter"].to_string()),
        wanted: EventFilter::read(&preface["filter"])
            .filter(|filter| is_filtered && !filter.is_empty() && is_read(filter)),
        checkpoint: Some(preface["checkpoint"].as_str()?.to_owned()),
        has_tree: false,
    })
}

/// What in the first line no event would show to be wrong: it is not what was signed, or is spelled otherwise.
fn doubts(preface: &Value, line: &[u8], facts: &Facts) -> impl Iterator<Item = &'static str> {
    let is_exact = canonical(preface).is_ok_and(|exact| exact == line);
    let has_members = preface.as_object().is_some_and(|members| members.len() == MEMBERS);
    let note = facts.checkpoint.as_deref().unwrap_or_default();
    // One that is no checkpoint is found where it is verified.
    let signed = note::read(note).and_then(|(text, _)| Checkpoint::parse(text)).ok();
    let is_ours = |signed: &Checkpoint| {
        preface["deployment"].as_str().is_some_and(|name| incarnation_of(name, &signed.origin).is_some())
    };
    let is_filtered = facts.filter.is_some();
    [
        (is_exact && has_members, INEXACT),
        (signed.as_ref().is_none_or(is_ours), "its `deployment` is not that of its checkpoint"),
        // That of a whole log is held against the events.
        (
            !is_filtered || signed.is_none_or(|signed| facts.size == Some(signed.size)),
            "its `size` is not that of its checkpoint",
        ),
        (!is_filtered || facts.pruned == 0, "it tells what was pruned, which an export with a filter does not"),
        (is_filtered || preface["filter"].is_null(), "it says that no filter was on, and names one"),
    ]
    .into_iter()
    .filter_map(|(is_right, what)| (!is_right).then_some(what))
}

fn hash(value: &Value) -> Option<Hash> {
    super::hash(value.as_str()?)
}

#[async_trait]
impl<R: BufRead + Send> Source for LinesSource<R> {
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
