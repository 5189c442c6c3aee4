//! What can be wrong with a log, each with the events that it is about.

use core::fmt;

use crate::domain::time::UnixMillis;

/// Something that is wrong. Where a checkpoint shows it, `by` says from where that came; none is a
/// checkpoint that lies beside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// An event and its hash do not fit.
    Altered {
        /// The event.
        seq: u64,
    },
    /// An event is spelled as it was never written.
    Inexact {
        /// The event.
        seq: u64,
        /// Which part of it.
        what: &'static str,
    },
    /// An event cannot be read.
    Unreadable {
        /// The event.
        seq: u64,
        /// Which part of it.
        what: String,
    },
    /// Events are not there.
    Missing {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// An event stands where another belongs.
    Misplaced {
        /// The event.
        seq: u64,
        /// The one that belongs there.
        wanted: u64,
    },
    /// An event is beyond the log's ends.
    Beyond {
        /// Its number.
        seq: i64,
    },
    /// The tree's node over these events is not theirs.
    NodeDiffers {
        /// The first of them.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The tree has other nodes than a log of this size.
    NodeCount {
        /// How many there are.
        found: u64,
        /// How many there would be.
        wanted: u64,
    },
    /// More events are counted, or fewer, than there are.
    Counted {
        /// Who counts them.
        what: &'static str,
        /// How many it says there are.
        told: u64,
        /// How many there are.
        found: u64,
    },
    /// A checkpoint has more events than there are.
    Tail {
        /// Events that there are.
        have: u64,
        /// Events that were signed.
        signed: u64,
        /// When.
        at: UnixMillis,
        /// From where the checkpoint came.
        by: Option<String>,
    },
    /// A checkpoint is not of these events.
    Inconsistent {
        /// Up to here they are those that were signed.
        after: u64,
        /// Up to here one at least is not.
        through: u64,
        /// When it was signed.
        at: UnixMillis,
        /// From where the checkpoint came.
        by: Option<String>,
    },
    /// A checkpoint is of events that were lost: of an incarnation of the log that a restore ended.
    Lost {
        /// The event that says so, `raise_epoch`.
        event: u64,
        /// Up to here its events are those that were signed.
        after: u64,
        /// Events that were signed.
        signed: u64,
        /// When.
        at: UnixMillis,
        /// From where the checkpoint came.
        by: String,
    },
    /// A checkpoint beside the log is none.
    Forged {
        /// Its number of events, as far as it is known.
        size: u64,
        /// Why.
        why: String,
        /// From where the checkpoint came.
        by: Option<String>,
    },
    /// What stands beside a note is not what the note says.
    CheckpointDiffers {
        /// Its number of events.
        size: u64,
    },
    /// Events are gone without the event that says they were pruned.
    PrunedUnsaid {
        /// Events up to here.
        through: u64,
    },
    /// An event's proof does not lead to the checkpoint.
    NotIncluded {
        /// The event.
        seq: u64,
    },
    /// The hours by which events are found by time leave one out.
    HourDiffers {
        /// The event.
        seq: u64,
    },
    /// What events are found by says something else of it, or nothing.
    SearchDiffers {
        /// The event.
        seq: u64,
    },
    /// By its words, one of these events is not found, or another in its place.
    WordsDiffer {
        /// The first of them.
        first: u64,
        /// The last.
        last: u64,
    },
    /// What events are found by cannot be read.
    IndexBroken {
        /// Why.
        what: String,
    },
    /// A file has no end.
    Cut {
        /// Its last event.
        after: u64,
    },
    /// An event is not one that the filter asks for.
    Unwanted {
        /// The event.
        seq: u64,
    },
    /// A filter was on, and which cannot be told.
    Unfiltered,
    /// A line of an export that is no event is not as it was written.
    Line {
        /// Which.
        which: &'static str,
        /// In what.
        what: &'static str,
    },
    /// A file has no event that anything could be shown of.
    Empty,
    /// Checkpoints from outside were given, and none of them says anything of this log.
    Unwitnessed,
}

impl Finding {
    /// The first event that it names.
    pub const fn seq(&self) -> Option<u64> {
        match self {
            Self::Altered { seq }
            | Self::Inexact { seq, .. }
            | Self::Unreadable { seq, .. }
            | Self::Missing { first: seq, .. }
            | Self::Misplaced { seq, .. }
            | Self::NodeDiffers { first: seq, .. }
            | Self::WordsDiffer { first: seq, .. }
            | Self::HourDiffers { seq }
            | Self::SearchDiffers { seq }
            | Self::NotIncluded { seq }
            | Self::Unwanted { seq } => Some(*seq),
            Self::Inconsistent { after, .. } => Some(*after + 1),
            Self::Lost { event, .. } => Some(*event),
            Self::Tail { have, .. } => Some(*have + 1),
            _ => None,
        }
    }

    /// Whether a checkpoint from outside was needed to find it.
    pub const fn needs_witness(&self) -> bool {
        matches!(
            self,
            Self::Tail { by: Some(_), .. }
                | Self::Inconsistent { by: Some(_), .. }
                | Self::Forged { by: Some(_), .. }
                | Self::Lost { .. }
                | Self::Unwitnessed
        )
    }
}

/// Events by their numbers.
struct Events(u64, u64);

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(first, last) = self;
        if first == last { write!(f, "event {first}") } else { write!(f, "events {first} to {last}") }
    }
}

/// A checkpoint by where it came from.
struct By<'a>(&'a Option<String>);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(from) => write!(f, "the checkpoint from {from}"),
            None => f.write_str("the checkpoint kept with the log"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { seq } => write!(f, "event {seq}: its content and its hash do not fit, one was changed"),
            Self::Inexact { seq, what } => {
                write!(f, "event {seq}: its {what} is not spelled as Keyward writes it, so it was changed")
            }
            Self::Unreadable { seq, what } => write!(f, "event {seq}: cannot be read, {what}"),
            Self::Missing { first, last } => write!(f, "{}: not there", Events(*first, *last)),
            Self::Misplaced { seq, wanted } => write!(f, "event {seq}: stands where event {wanted} belongs"),
            Self::Beyond { seq } => write!(f, "event {seq}: is beyond the ends of the log's tree, so it was put in"),
            Self::NodeDiffers { first, last } if first == last => {
                write!(f, "event {first}: is not the one that the log's tree keeps the hash of")
            }
            Self::NodeDiffers { first, last } => {
                write!(f, "{}: the tree's hash over them is not theirs", Events(*first, *last))
            }
            Self::NodeCount { found, wanted } => {
                write!(f, "the log's tree has {found} nodes, and {wanted} are those of its events")
            }
            Self::Counted { what, told, found } => {
                write!(f, "{what} counts {told} events, and there are {found}")
            }
            Self::Tail { have, signed, at, by } => write!(
                f,
                "{}: not there, but {} of {at} has {signed} events: the log's end was cut off",
                Events(*have + 1, *signed),
                By(by)
            ),
            Self::Inconsistent { after, through, at, by } => write!(
                f,
                "{}: {} of {at} is of others: one at least was changed, put in or taken out",
                Events(*after + 1, *through),
                By(by)
            ),
            Self::Lost { event, after, signed, at, by } => {
                let (least, most) = (signed.saturating_sub(*event - 1).max(1), signed - after);
                let at_least = if least < most { "at least " } else { "" };
                write!(
                    f,
                    "event {event}: `raise-epoch` ended the log that the checkpoint from {by} of {at} is of: of its {}, \
                     {at_least}{least} were lost, as when a database is restored",
                    Events(*after + 1, *signed)
                )
            }
            Self::Forged { size, why, by } => write!(f, "{} with {size} events: {why}", By(by)),
            Self::CheckpointDiffers { size } => {
                write!(f, "the checkpoint kept at {size} events: its note is of another size, root or time")
            }
            Self::PrunedUnsaid { through } => {
                write!(f, "{}: said to be pruned, but no event says so", Events(1, *through))
            }
            Self::NotIncluded { seq } => write!(f, "event {seq}: its proof does not lead to the checkpoint"),
            Self::HourDiffers { seq } => {
                write!(f, "event {seq}: is outside of what its hour is said to hold, so a search by time may miss it")
            }
            Self::SearchDiffers { seq } => {
                write!(f, "event {seq}: is not found by what it is, so searches, and exports with a filter, miss it")
            }
            Self::WordsDiffer { first, last } => write!(
                f,
                "{}: the index has other words for one at least, so searches by words miss it, or find it by what it is \
                 not",
                Events(*first, *last)
            ),
            Self::IndexBroken { what } => write!(f, "the index that events are found by cannot be read: {what}"),
            Self::Cut { after } => {
                write!(f, "the file ends behind event {after} without its last line: it was cut off")
            }
            Self::Unwanted { seq } => write!(f, "event {seq}: is not one that the filter asks for"),
            Self::Unfiltered => f.write_str("a filter was on, and the first line names none that can be read"),
            Self::Line { which, what } => write!(f, "the {which} line: {what}"),
            Self::Empty => f.write_str("the file has no event, so it shows nothing"),
            Self::Unwitnessed => f.write_str(
                "no checkpoint from outside could be held against it: give one of this file's size, such as the one \
                 that came with it",
            ),
        }
    }
}
