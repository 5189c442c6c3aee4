//! The one pass: each piece is held against what came before it, and named where it does not fit.

use core::mem;

use super::report::{Agreed, Report};
use super::witness::{Trust, Witness};
use super::{Facts, Finding, FoundEvent, KeptCheckpoint, Piece};
use crate::domain::audit::checkpoint::Checkpoint;
use crate::domain::audit::hash;
use crate::domain::audit::merkle::{Edge, Hash, Place, verify_inclusion};

/// How far the log agrees with one kind of checkpoint.
#[derive(Default)]
struct Trail {
    /// Up to here its events are those that were signed.
    through: u64,
    /// One did not agree, and so none behind it can.
    is_broken: bool,
}

/// A checkpoint from outside that did not agree, of which it is known at the end only whether it is of a history
/// that was lost.
struct Contradicted {
    witness: Witness,
    /// Up to here the log is the one that it is of.
    after: u64,
    /// Which of the findings says so.
    finding: usize,
}

/// An event that began another incarnation of the log.
struct Raised {
    seq: u64,
    /// Which.
    incarnation: u64,
    /// Up to here the log before it is the one that was signed.
    agreed: u64,
}

/// A root that proofs may lead to.
struct Root {
    checkpoint: Checkpoint,
    /// From where it came, until the first proof led to it; none for the one of the file itself.
    from: Option<String>,
}

pub(super) struct Pass<'a> {
    facts: Facts,
    trust: &'a Trust,
    /// Those from outside that are still to come, the smallest last.
    witnesses: Vec<Witness>,
    /// The tree so far; none behind a gap.
    edge: Option<Edge>,
    /// The event that belongs here.
    next: u64,
    /// Nodes that were complete since they were last asked for.
    made: Vec<(Place, Hash)>,
    /// Events with a finding of their own since then, and the newest before that.
    named: Vec<u64>,
    kept: Trail,
    /// Up to here the events are those that checkpoints from outside are of.
    witnessed: u64,
    /// Those that did not agree, the first of each incarnation.
    contradicted: Vec<Contradicted>,
    /// The newest event that says what was pruned, and up to where.
    pruning: Option<(u64, u64)>,
    /// The events that began another incarnation of the log.
    raised: Vec<Raised>,
    /// What proofs may lead to.
    roots: Vec<Root>,
    report: Report,
}

impl<'a> Pass<'a> {
    pub(super) fn new(facts: Facts, mut witnesses: Vec<Witness>, trust: &'a Trust) -> Self {
        witnesses.sort_by_key(|witness| core::cmp::Reverse(witness.checkpoint.size));
        let report = Report {
            filter: facts.filter.clone(),
            has_keys: trust.has_keys(),
            has_witnesses: !witnesses.is_empty(),
            ..Report::default()
        };
        let mut pass = Self {
            edge: facts.start.clone(),
            next: facts.start.as_ref().map_or(facts.pruned, Edge::size) + 1,
            facts,
            trust,
            witnesses,
            made: Vec::new(),
            named: Vec::new(),
            kept: Trail::default(),
            witnessed: 0,
            contradicted: Vec::new(),
            pruning: None,
            raised: Vec::new(),
            roots: Vec::new(),
            report,
        };
        pass.begin();
        pass
    }

    /// What can be held against each other before the first event.
    fn begin(&mut self) {
        let size = self.next - 1;
        while self.witnesses.last().is_some_and(|witness| witness.checkpoint.size < size) {
            let witness = self.witnesses.pop();
            self.report.unchecked.extend(witness.map(|witness| witness.from));
        }
        self.compare_roots();
        if self.facts.filter.is_none() {
            return;
        }
        if let Some(note) = self.facts.checkpoint.take() {
            let Some(checkpoint) = self.open(&note, self.facts.size.unwrap_or_default()) else { return };
            let Checkpoint { size, root, at, .. } = checkpoint;
            self.report.kept.count(&checkpoint);
            self.roots.push(Root { checkpoint, from: None });
            for Witness { from, checkpoint } in mem::take(&mut self.witnesses) {
                if checkpoint.size != size {
                    self.report.unchecked.push(from);
                } else if checkpoint.root == root {
                    self.report.outside.count(&checkpoint);
                } else {
                    self.report.find(Finding::Inconsistent { after: 0, through: size, at, by: Some(from) });
                }
            }
        } else {
            let roots = mem::take(&mut self.witnesses).into_iter();
            self.roots.extend(roots.map(|Witness { from, checkpoint }| Root { checkpoint, from: Some(from) }));
        }
        self.report.has_roots = !self.roots.is_empty();
    }

    pub(super) fn take(&mut self, piece: Piece) {
        match piece {
            Piece::Event(event) if self.facts.filter.is_some() => self.filtered(&event),
            Piece::Event(event) => self.event(&event),
            Piece::Leaf { seq, hash } => {
                self.push(hash);
                self.next = seq + 1;
            }
            Piece::Gap { last } => {
                self.edge = None;
                self.next = last + 1;
            }
            Piece::Checkpoint(kept) => self.checkpoint(&kept),
            // Whoever is not what they were is not found as what they are.
            Piece::Wrong(Finding::SearchDiffers { seq }) if self.named.contains(&seq) => {}
            Piece::Wrong(finding) => {
                self.named.extend(finding.seq());
                self.report.find(finding);
            }
        }
    }

    /// The hash of an event's content, and whether the event is all that it says it is.
    fn content(&mut self, event: &FoundEvent) -> Hash {
        self.report.events += 1;
        let seq = event.seq;
        if let Some(what) = event.inexact {
            self.find(seq, Finding::Inexact { seq, what });
        }
        // A value that was read from a text has a canonical form.
        let content = hash(&event.document).unwrap_or_default();
        if content != event.told {
            self.find(seq, Finding::Altered { seq });
        }
        content
    }

    fn event(&mut self, event: &FoundEvent) {
        let seq = event.seq;
        let content = self.content(event);
        if seq > self.next {
            self.find(seq, Finding::Missing { first: self.next, last: seq - 1 });
            self.edge = None;
        } else if seq < self.next {
            self.find(seq, Finding::Misplaced { seq, wanted: self.next });
            self.edge = None;
            return;
        }
        let details = &event.document["details"];
        if event.document["entity"] == "Audit Log" && details["operation"] == "prune" {
            let through = details["through"].as_u64().unwrap_or_default();
            self.pruning = self.pruning.max(Some((through, seq)));
        }
        if event.document["entity"] == "Snapshots" && details["operation"] == "raise_epoch" {
            let agreed = self.agreed();
            self.raised.extend(details["incarnation"].as_u64().map(|incarnation| Raised { seq, incarnation, agreed }));
        }
        let leaf = event.leaf.filter(|_| self.facts.has_tree);
        if self.facts.has_tree && content == event.told && leaf != Some(content) {
            self.find(seq, Finding::NodeDiffers { first: seq, last: seq });
        }
        // Of content, its hash and the tree's leaf, two that agree are what was written, if not by a
        // stranger to all three: so that one that was changed does not hide what else was.
        let written = if content == event.told || leaf == Some(content) { content } else { leaf.unwrap_or(event.told) };
        self.next = seq + 1;
        self.push(written);
    }

    fn push(&mut self, hash: Hash) {
        if let Some(edge) = &mut self.edge {
            let made = &mut self.made;
            edge.push(hash, |place, hash| made.push((place, hash)));
            self.compare_roots();
        }
    }

    /// Holds the tree against those from outside that are as large.
    fn compare_roots(&mut self) {
        let Some(edge) = &self.edge else { return };
        let size = edge.size();
        while self.witnesses.last().is_some_and(|witness| witness.checkpoint.size == size) {
            let Some(witness) = self.witnesses.pop() else { return };
            if edge.root() == witness.checkpoint.root {
                self.witnessed = size;
                self.report.outside.count(&witness.checkpoint);
                continue;
            }
            let after = self.agreed().min(size.saturating_sub(1));
            let (at, by) = (witness.checkpoint.at, Some(witness.from.clone()));
            let finding = Finding::Inconsistent { after, through: size, at, by };
            contradict(&mut self.contradicted, &mut self.report, Contradicted { witness, after, finding: 0 }, finding);
        }
    }

    /// Up to where the events are those that were signed.
    fn agreed(&self) -> u64 {
        self.witnessed.max(if self.trust.has_keys() { self.kept.through } else { 0 })
    }

    /// Says of each checkpoint that did not agree whether the log that it is of was ended by an event of this one.
    fn tell_lost(&mut self) {
        for Contradicted { witness: Witness { from, checkpoint }, after, finding } in mem::take(&mut self.contradicted)
        {
            let Some(incarnation) = incarnation(&checkpoint) else { continue };
            let ended = self.raised.iter().find(|raised| raised.incarnation > incarnation);
            let (Some(ended), Some(found)) = (ended, self.report.findings.kept.get_mut(finding)) else { continue };
            let Checkpoint { size: signed, at, .. } = checkpoint;
            *found = Finding::Lost { event: ended.seq, after: after.min(ended.agreed), signed, at, by: from };
        }
    }

    /// Holds the tree against a checkpoint that is kept beside it.
    fn checkpoint(&mut self, kept: &KeptCheckpoint) {
        let here = self.next - 1;
        let size = kept.beside.map_or(here, |(size, ..)| size);
        let Some(checkpoint) = self.open(&kept.note, size) else { return };
        let Checkpoint { size, root, at, .. } = checkpoint;
        if kept.beside.is_some_and(|beside| beside != (size, root, at)) || (self.edge.is_some() && size < here) {
            self.report.find(Finding::CheckpointDiffers { size });
            return;
        }
        if size > here {
            self.report.find(Finding::Tail { have: here, signed: size, at, by: None });
            return;
        }
        let Some(edge) = &self.edge else { return };
        if edge.root() == root {
            self.kept.through = size;
            self.report.kept.count(&checkpoint);
        } else if !self.kept.is_broken {
            self.kept.is_broken = true;
            let after = self.kept.through.max(self.witnessed).min(size.saturating_sub(1));
            self.report.find(Finding::Inconsistent { after, through: size, at, by: None });
        }
    }

    fn open(&mut self, note: &str, size: u64) -> Option<Checkpoint> {
        self.trust
            .open(note)
            .map_err(|why| self.report.find(Finding::Forged { size, why: why.to_string(), by: None }))
            .ok()
    }

    /// An event that comes with its own proof.
    fn filtered(&mut self, event: &FoundEvent) {
        let seq = event.seq;
        let content = self.content(event);
        if seq < self.next {
            self.find(seq, Finding::Misplaced { seq, wanted: self.next });
            return;
        }
        self.next = seq + 1;
        if self.facts.wanted.as_ref().is_some_and(|wanted| !wanted.is_met_by(&event.document)) {
            self.find(seq, Finding::Unwanted { seq });
        }
        let leads = |Root { checkpoint: Checkpoint { size, root, .. }, .. }: &Root| {
            verify_inclusion(seq - 1, *size, &content, &event.proof, root)
        };
        if let Some(at) = self.roots.iter().position(leads) {
            let Root { checkpoint, from } = &mut self.roots[at];
            if from.take().is_some() {
                self.report.outside.count(checkpoint);
            }
        } else if content == event.told && !self.roots.is_empty() {
            self.find(seq, Finding::NotIncluded { seq });
        }
    }

    fn find(&mut self, seq: u64, finding: Finding) {
        self.named.push(seq);
        self.report.find(finding);
    }

    /// The nodes that are complete since this was last asked.
    pub(super) fn made(&mut self) -> Vec<(Place, Hash)> {
        mem::take(&mut self.made)
    }

    /// Holds nodes against those that are kept.
    pub(super) fn compare(&mut self, made: &[(Place, Hash)], kept: &[Option<Hash>]) {
        self.named.sort_unstable();
        for ((place, hash), kept) in made.iter().zip(kept) {
            let (level, index) = (place.level(), place.0 >> place.level() >> 1);
            let (first, last) = ((index << level) + 1, (index + 1) << level);
            let at = self.named.partition_point(|seq| *seq < first);
            // What is wrong with an event is wrong with each node above it, and is said once.
            if *kept != Some(*hash) && self.named.get(at).is_none_or(|seq| *seq > last) {
                self.named.insert(at, last);
                self.report.find(Finding::NodeDiffers { first, last });
            }
        }
        let newest = self.named.pop();
        self.named.clear();
        self.named.extend(newest);
    }

    pub(super) fn finish(mut self) -> Report {
        let have = self.next - 1;
        let is_whole = self.facts.filter.is_none();
        if is_whole && let Some(note) = self.facts.checkpoint.take() {
            self.checkpoint(&KeptCheckpoint { note, beside: None });
        }
        for witness in mem::take(&mut self.witnesses).into_iter().rev() {
            let Checkpoint { size, at, .. } = witness.checkpoint;
            if size > have && is_whole {
                let (after, by) = (self.agreed(), Some(witness.from.clone()));
                let finding = Finding::Tail { have, signed: size, at, by };
                contradict(
                    &mut self.contradicted,
                    &mut self.report,
                    Contradicted { witness, after, finding: 0 },
                    finding,
                );
            } else {
                self.report.unchecked.push(witness.from);
            }
        }
        let is_contradicted = !self.contradicted.is_empty();
        self.tell_lost();
        self.report.unchecked.extend(self.roots.iter_mut().filter_map(|root| root.from.take()));
        // A table has no place for what it was asked for, nor for the size.
        let is_told = self.facts.wanted.is_some() || self.facts.size.is_none();
        if !is_whole && !is_told {
            self.report.find(Finding::Unfiltered);
        }
        if self.report.events == 0 && !self.facts.has_tree {
            self.report.find(Finding::Empty);
        }
        // Who gave a checkpoint asked whether the log agrees with it, and was not answered.
        let is_compared = self.report.outside.checkpoints > 0 || is_contradicted;
        if self.report.has_witnesses && !is_compared && self.report.verifies() {
            self.report.find(Finding::Unwitnessed);
        }
        let pruned = self.facts.pruned;
        if is_whole && pruned > 0 && self.pruning.is_none_or(|(through, _)| through != pruned) {
            self.report.find(Finding::PrunedUnsaid { through: pruned });
        }
        self.report.pruned = self.pruning.filter(|_| pruned > 0);
        if let Some(told) = self.facts.size.filter(|told| is_whole && *told != have) {
            self.report.find(Finding::Counted { what: "the log", told, found: have });
        }
        self.report.through = have;
        self.report.root = self.edge.as_ref().filter(|_| is_whole).map(Edge::root);
        self.report
    }
}

/// Of which incarnation of a log a checkpoint is.
fn incarnation(checkpoint: &Checkpoint) -> Option<u64> {
    checkpoint.origin.rsplit('/').next()?.parse().ok()
}

/// Reports a checkpoint from outside that does not agree, unless one of the same log did not before: none behind it
/// can then.
fn contradict(all: &mut Vec<Contradicted>, report: &mut Report, new: Contradicted, finding: Finding) {
    let of = incarnation(&new.witness.checkpoint);
    if all.iter().all(|other| incarnation(&other.witness.checkpoint) != of) {
        all.push(Contradicted { finding: report.findings.kept.len(), ..new });
        report.find(finding);
    }
}

impl Agreed {
    fn count(&mut self, checkpoint: &Checkpoint) {
        self.checkpoints += 1;
        if self.newest.as_ref().is_none_or(|newest| newest.size <= checkpoint.size) {
            self.newest = Some(checkpoint.clone());
        }
    }
}
