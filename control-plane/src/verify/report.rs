//! What a verification found, what it rests on, and what it cannot know.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Finding;
use crate::domain::audit::checkpoint::Checkpoint;
use crate::domain::audit::merkle::Hash;

/// Findings that are kept; of others only the number.
const MOST: usize = 100;

/// Checkpoints that agree with the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agreed {
    /// How many.
    pub checkpoints: u64,
    /// The one with the most events.
    pub newest: Option<Checkpoint>,
}

/// The findings, as many as are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Those that are kept, in the order in which they were met.
    pub kept: Vec<Finding>,
    /// How many more there were.
    pub more: u64,
}

/// What a verification found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Events that were recomputed.
    pub events: u64,
    /// The last event's number.
    pub through: u64,
    /// The root of the tree over all of them.
    pub root: Option<Hash>,
    /// Events up to the first number were pruned, as the event with the second says.
    pub pruned: Option<(u64, u64)>,
    /// The filter that was on.
    pub filter: Option<String>,
    /// Checkpoints beside the log.
    pub kept: Agreed,
    /// Checkpoints from outside.
    pub outside: Agreed,
    /// From where those came that could not be held against the log.
    pub unchecked: Vec<String>,
    /// Whether signatures were looked at.
    pub has_keys: bool,
    /// Whether checkpoints from outside were given.
    pub has_witnesses: bool,
    /// Whether there was anything that proofs could lead to.
    pub has_roots: bool,
    /// What is wrong.
    pub findings: Found,
}

impl Report {
    /// Whether nothing is wrong.
    pub const fn verifies(&self) -> bool {
        self.findings.kept.is_empty()
    }

    pub(super) fn find(&mut self, finding: Finding) {
        let Found { kept, more } = &mut self.findings;
        if let (Some(Finding::Missing { last, .. }), Finding::Missing { first, last: further }) =
            (kept.last_mut(), &finding)
            && *last + 1 == *first
        {
            *last = *further;
        } else if kept.len() < MOST {
            kept.push(finding);
        } else {
            *more += 1;
        }
    }

    fn unknown(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.has_witnesses {
            writeln!(
                f,
                "not known: nothing from outside was given. A log that was written anew as a whole, its checkpoints \
                 too, or whose newest events were cut off with them, would look the same; give a checkpoint that \
                 was kept elsewhere (--checkpoint), or an edge (--edge)"
            )?;
        }
        if !self.has_keys {
            writeln!(f, "not known: who signed the checkpoints, for signatures were left alone (--unsigned)")?;
        }
        if let Some(filter) = &self.filter {
            writeln!(
                f,
                "not known: whether events were left out that the filter wanted; a filter was on ({filter}), and a \
                 proof shows that an event is in the log, not that another is not"
            )?;
            if !self.has_roots {
                writeln!(f, "not known: whether these events are in the log; give the checkpoint of this export")?;
            }
        } else if self.root.is_none() && self.verifies() {
            writeln!(
                f,
                "not known: the tree, for the events before these are gone and their hashes are not in this file; \
                 an export as JSON Lines has them"
            )?;
        }
        for from in &self.unchecked {
            writeln!(f, "not known: whether the checkpoint from {from} agrees, which this file cannot show")?;
        }
        match &self.outside.newest {
            Some(newest) if self.filter.is_none() && newest.size < self.through => writeln!(
                f,
                "not known: whether events {} to {} are as they were first written; they are newer than the newest \
                 checkpoint from outside",
                newest.size + 1,
                self.through
            ),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.newest {
            None => f.write_str("none"),
            Some(Checkpoint { origin, size, at, .. }) => {
                write!(f, "{} agree, the newest with {size} events, of {at}, by {origin}", self.checkpoints)
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "events           {} recomputed, the last is event {}", self.events, self.through)?;
        if let Some((through, by)) = self.pruned {
            writeln!(f, "pruned           events 1 to {through}, as event {by} says")?;
        }
        if let Some(root) = &self.root {
            writeln!(f, "root             {}", STANDARD.encode(root))?;
        }
        writeln!(f, "kept checkpoints {}", self.kept)?;
        writeln!(f, "from outside     {}", self.outside)?;
        self.unknown(f)?;
        for finding in &self.findings.kept {
            writeln!(f, "WRONG: {finding}")?;
        }
        if self.findings.more > 0 {
            writeln!(f, "WRONG: and {} more", self.findings.more)?;
        }
        f.write_str(if self.verifies() { "the log verifies\n" } else { "the log does NOT verify\n" })
    }
}
