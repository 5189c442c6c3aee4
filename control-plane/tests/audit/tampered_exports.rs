//! What somebody may do to an export on its way, at random.

use keyward_control_plane::domain::audit::checkpoint::{Checkpoint, origin};
use keyward_control_plane::domain::audit::export::Format;
use keyward_control_plane::domain::audit::merkle::Edge;
use keyward_control_plane::domain::audit::{LoggedEvent, hash, note};
use keyward_control_plane::store::audit::StoredCheckpoint;
use keyward_control_plane::verify::{LinesSource, RowsSource};

use crate::chance::Chance;
use crate::exports::{export_of, look};
use crate::kept_log::{DEPLOYMENT, KeptLog, signing_key};
use crate::tamper::edit;

const SEED: u64 = 0xf11e;
/// Tamperings of each format, of whole exports and of filtered ones.
const TAMPERINGS: usize = 300;
/// Lets every third event be exported, which are those that the filter is of.
const WANTED: fn(u64) -> bool = |seq| seq % 3 == 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anything within an event, its hash left as it was.
    Edit,
    /// The same with the right hash, and proofs of a tree that has it.
    EditAndHash,
    /// A letter or a digit anywhere behind the first line.
    Letter,
    /// Two events in each other's place.
    Swap,
    /// An event that is there twice.
    Repeat,
    /// Every event from one on written anew, and signed with the deployment's own key.
    RewriteAndSign,
    /// An event taken out.
    Delete,
    /// The same, all behind it renumbered with the right hashes.
    DeleteAndRenumber,
    /// Two events with each other's numbers and the right hashes.
    SwapNumbers,
    /// The newest events taken out, as if the export had been made before them.
    Cut,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Edit,
        Self::EditAndHash,
        Self::Letter,
        Self::Swap,
        Self::Repeat,
        Self::RewriteAndSign,
        Self::Delete,
        Self::DeleteAndRenumber,
        Self::SwapNumbers,
        Self::Cut,
    ];
    /// Those of a filtered export: that nothing was left out of one is not promised.
    const FILTERED: &'static [Self] = Self::ALL.split_at(6).0;

    fn apply(self, log: &KeptLog, format: Format, wanted: Option<fn(u64) -> bool>, chance: &mut Chance) -> String {
        let mut events = log.events.clone();
        let mut checkpoints = log.checkpoints.clone();
        let size = events.len();
        let all: Vec<usize> = (0..size).filter(|at| wanted.is_none_or(|wanted| wanted(events[*at].seq))).collect();
        let at = chance.among(&all);
        let others: Vec<usize> = all.iter().copied().filter(|other| *other != at).collect();
        let other = chance.among(&others);
        match self {
            Self::Edit | Self::EditAndHash => {
                edit(&mut events[at].document, chance);
                if self == Self::EditAndHash {
                    events[at].hash = hash(&events[at].document).unwrap();
                }
            }
            Self::Letter => {
                let text = export_of(&events, &checkpoints, format, wanted);
                return letter(text, chance);
            }
            Self::Swap | Self::Repeat => return line(self, &export_of(&events, &checkpoints, format, wanted), chance),
            Self::RewriteAndSign => {
                for event in &mut events[at..] {
                    edit(&mut event.document, chance);
                }
                renumber(&mut events);
                sign(&events, &mut checkpoints);
            }
            Self::Delete | Self::DeleteAndRenumber => {
                // Without its last, it is a shorter one.
                events.remove(at);
                if self == Self::DeleteAndRenumber {
                    renumber(&mut events);
                }
            }
            Self::SwapNumbers => {
                events.swap(at, other);
                renumber(&mut events);
            }
            Self::Cut => {
                events.truncate(at.max(9));
                let have = events.last().unwrap().seq;
                checkpoints.retain(|kept| kept.size <= have);
            }
        }
        export_of(&events, &checkpoints, format, wanted)
    }
}

/// Numbers and hashes as they would be of these events.
fn renumber(events: &mut [LoggedEvent]) {
    for (seq, event) in (1..).zip(events) {
        event.seq = seq;
        event.document["seq"] = seq.into();
        event.hash = hash(&event.document).unwrap();
    }
}

fn sign(events: &[LoggedEvent], checkpoints: &mut [StoredCheckpoint]) {
    let (mut edge, mut roots) = (Edge::empty(), Vec::new());
    for event in events {
        edge.push(event.hash, |_, _| {});
        roots.push(edge.root());
    }
    let origin = origin(DEPLOYMENT, 1);
    for kept in checkpoints {
        kept.root = roots[usize::try_from(kept.size - 1).unwrap()];
        let text = Checkpoint { origin: origin.clone(), size: kept.size, root: kept.root, at: kept.at }.text();
        kept.note = note::sign(&text, &origin, &signing_key()).unwrap();
    }
}

/// One letter or digit is another.
fn letter(text: String, chance: &mut Chance) -> String {
    let first = text.find('\n').unwrap();
    let all: Vec<usize> =
        text.bytes().enumerate().filter(|(at, b)| *at > first && b.is_ascii_alphanumeric()).map(|(at, _)| at).collect();
    let at = chance.among(&all);
    let mut bytes = text.into_bytes();
    let others: Vec<u8> = (b'0'..=b'z').filter(|b| b.is_ascii_alphanumeric() && *b != bytes[at]).collect();
    bytes[at] = chance.among(&others);
    String::from_utf8(bytes).unwrap()
}

/// A line of an event with another's, or twice.
fn line(kind: Kind, text: &str, chance: &mut Chance) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is_event = |line: &&str| line.contains("req_");
    let events: Vec<usize> = lines.iter().enumerate().filter(|(_, line)| is_event(line)).map(|(at, _)| at).collect();
    let at = chance.among(&events);
    if kind == Kind::Repeat {
        lines.insert(at, lines[at]);
    } else {
        let others: Vec<usize> = events.into_iter().filter(|other| *other != at).collect();
        lines.swap(at, chance.among(&others));
    }
    lines.concat()
}

/// Whether it is read at all.
fn is_export(text: &str) -> bool {
    let reader = std::io::Cursor::new(text.to_owned());
    if text.starts_with('{') { LinesSource::open(reader).is_ok() } else { RowsSource::open(reader).is_ok() }
}

#[tokio::test]
async fn every_tampering_of_an_export_is_found_by_a_checkpoint_of_its_size() {
    let log = KeptLog::make(4, 9).await;
    let mut chance = Chance(SEED);
    for format in Format::ALL {
        for (wanted, kinds) in [(None, &Kind::ALL[..]), (Some(WANTED), Kind::FILTERED)] {
            let whole = export_of(&log.events, &log.checkpoints, format, wanted);
            let report = look(&whole, vec![log.witness()]).await;
            assert!(report.verifies(), "{report}");
            for number in 0..TAMPERINGS {
                let kind = kinds[number % kinds.len()];
                let text = kind.apply(&log, format, wanted, &mut chance);
                assert_ne!(text, whole, "number {number}, {kind:?}, changes nothing");
                if is_export(&text) {
                    let report = look(&text, vec![log.witness()]).await;
                    assert!(
                        !report.verifies(),
                        "number {number}, {kind:?} of {format:?}, is not found:\n{report}\n{text}"
                    );
                }
            }
        }
    }
}
