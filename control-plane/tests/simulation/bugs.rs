//! Bugs put in on purpose, each where the part that has it meets the others, so that the product carries
//! none of it.

use crate::sim::Invariant;

/// Every bug that seeds catch, with the invariants one of which it breaks first. `CutOffServes` takes an edge that
/// asks the same machine for seconds on end, `WrittenOnce` a write that lands after a newer one when nothing
/// happens any more: they have stories of their own.
pub(crate) const BUGS: [(Bug, &[Invariant]); 20] = [
    (Bug::HeadBeforeObjects, &[Invariant::Objects]),
    (Bug::MissingIsAbsent, &[Invariant::Unavailable]),
    (Bug::LowerHeadTaken, &[Invariant::Order]),
    (Bug::DeadlineIgnored, &[Invariant::Truth, Invariant::Expired]),
    (Bug::RecentDropped, &[Invariant::Truth]),
    (Bug::FloorsIgnored, &[Invariant::Truth]),
    (Bug::CollectedEarly, &[Invariant::Objects]),
    (Bug::CollectedNamed, &[Invariant::Objects]),
    (Bug::LateWrite, &[Invariant::Record]),
    (Bug::OlderWritten, &[Invariant::Record]),
    (Bug::GenerationAhead, &[Invariant::Truth, Invariant::Whole]),
    (Bug::ServedUnrecorded, &[Invariant::Record]),
    (Bug::EpochKept, &[Invariant::Record]),
    (Bug::ExpiredUsed, &[Invariant::Expired]),
    (Bug::StandbyCollects, &[Invariant::Record]),
    (Bug::SwitchedUnwarmed, &[Invariant::Switch]),
    (Bug::MutationCut, &[Invariant::Whole]),
    (Bug::ConfirmedUnread, &[Invariant::Bound]),
    (Bug::AheadDropped, &[Invariant::Forgotten]),
    (Bug::RetriedAtOnce, &[Invariant::Pace]),
];

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// KV has the head before the objects that it names.
    HeadBeforeObjects,
    /// An object that is not there is taken for an unknown key.
    MissingIsAbsent,
    /// An edge takes a head that is below its own.
    LowerHeadTaken,
    /// An edge judges deadlines by another time than its own.
    DeadlineIgnored,
    /// A head lacks a change that its tree lacks too.
    RecentDropped,
    /// An edge believes leaves whatever the head's floors say.
    FloorsIgnored,
    /// Objects are collected as soon as the last head that names them has expired.
    CollectedEarly,
    /// Objects are collected as soon as the newest head names them no more.
    CollectedNamed,
    /// Who was superseded writes a head of its own again, long after.
    LateWrite,
    /// One publisher writes a newer head, and then an older one.
    OlderWritten,
    /// A generation becomes visible before an earlier one.
    GenerationAhead,
    /// A head is served though nothing was recorded.
    ServedUnrecorded,
    /// Who takes the lease goes on in the epoch of the one before.
    EpochKept,
    /// An expired head is used.
    ExpiredUsed,
    /// Whoever runs collects, though another publishes.
    StandbyCollects,
    /// Another tree takes over before edges had the time to load it.
    SwitchedUnwarmed,
    /// Of a mutation of many secrets the last one is not read.
    MutationCut,
    /// Who cannot reach the database serves its head on when another may publish.
    CutOffServes,
    /// An edge takes the head that it has for confirmed though it read nothing.
    ConfirmedUnread,
    /// A change that went ahead of the generation is in one head and not in the next, and an edge keeps nothing
    /// of the one before.
    AheadDropped,
    /// What KV refuses is asked again at once.
    RetriedAtOnce,
    /// A head that says nothing new is written no second time, whatever may have landed since.
    WrittenOnce,
}
