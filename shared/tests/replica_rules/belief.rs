//! What is answered without loading, and what is not believed any more.

use keyward_shared::policy::Policy;
use keyward_shared::record::{Deadline, Record};
use keyward_shared::snapshot::{Head, Lookup, ObjectName, RecentEntry, Replica};

use super::{adopt, found, half, halves, head, leaf, left, load, need, replica, right, warm};
use crate::fixtures::{NOW_MS, fingerprint, policy, record};

/// Generation 20 with the floors given, over new leaves that the replica does not hold.
fn later(recent_since: u64, narrowed_since: u64) -> Head {
    let [left_leaf, right_leaf] = halves(20);
    Head { recent_since, narrowed_since, ..head(20, [&left_leaf, &right_leaf]) }
}

#[test]
fn growth_casts_out_nothing_that_allows() {
    let mut replica = warm();
    adopt(&mut replica, later(20, 10));
    assert!(found(&mut replica, &left(1)));
    assert!(found(&mut replica, &right()));
    // But what is not there, or not usable, may have become so.
    assert_eq!(need(&mut replica, &left(3)).place, half(0));
}

#[test]
fn a_narrowing_change_that_left_recent_must_be_looked_for() {
    let mut replica = warm();
    adopt(&mut replica, later(20, 11));
    assert_eq!(need(&mut replica, &left(1)).place, half(0));
    assert_eq!(need(&mut replica, &right()).place, half(1));
}

#[test]
fn while_recent_reaches_back_a_refusal_is_believed_too() {
    let mut replica = warm();
    adopt(&mut replica, later(10, 10));
    assert!(!found(&mut replica, &left(3)));
    assert!(found(&mut replica, &left(1)));
}

/// A replica that holds a leaf with this record, under a head that dropped widening changes only.
fn replica_holding(record: Record) -> Replica {
    let bytes = leaf(half(0), 10, &[(left(1), record)]);
    let [_, other] = halves(10);
    let mut replica = replica();
    adopt(&mut replica, head(10, [&bytes, &other]));
    load(&mut replica, &left(1), &bytes);
    let held = replica.lookup(&left(1), NOW_MS);
    assert!(matches!(held, Lookup::Found(..)), "exactly as of the head");
    adopt(&mut replica, later(20, 10));
    replica
}

#[test]
fn what_refuses_for_another_reason_asks_exactly_and_is_told_to_load() {
    let mut replica = warm();
    let exact = |replica: &mut Replica| matches!(replica.lookup_exact(&left(1)), Lookup::Found(..));
    assert!(exact(&mut replica));
    adopt(&mut replica, later(10, 10));
    assert!(exact(&mut replica), "nothing left recent");
    adopt(&mut replica, Head { issued_at: NOW_MS + 21, ..later(20, 10) });
    assert!(found(&mut replica, &left(1)));
    assert!(!exact(&mut replica));
}

#[test]
fn a_flagged_record_is_believed_as_a_refusal_is() {
    type Flag = fn(&mut Record);
    let flags: [Flag; 3] =
        [|record| record.disabled = true, |record| record.paused = true, |record| record.suspended = true];
    for flag in flags {
        let mut flagged = record();
        flag(&mut flagged);
        need(&mut replica_holding(flagged), &left(1));
    }
}

#[test]
fn an_expired_record_is_believed_as_a_refusal_is() {
    let mut replica = replica_holding(Record {
        deadline: Deadline::at_seconds(u32::try_from(NOW_MS / 1000).expect("before 2106")),
        ..record()
    });
    // A millisecond before it allows, and is believed; at the deadline it may have been extended.
    let before = replica.lookup(&left(1), NOW_MS - 1);
    assert!(matches!(before, Lookup::Found(..)));
    need(&mut replica, &left(1));
}

#[test]
fn a_leaf_that_kept_its_name_is_as_new_as_the_head() {
    let [left_leaf, right_leaf] = halves(10);
    let new_left = leaf(half(0), 20, &[(left(2), record())]);
    let mut replica = warm();
    adopt(&mut replica, head(20, [&new_left, &right_leaf]));
    assert!(found(&mut replica, &right()));
    assert!(!found(&mut replica, &fingerprint(0x91, 0)));
    // One leaf that cannot be had holds up nothing else, and answers nothing old.
    assert_eq!(need(&mut replica, &left(1)).name, ObjectName::of(&new_left));
    assert_ne!(ObjectName::of(&left_leaf), ObjectName::of(&new_left));
    load(&mut replica, &left(1), &new_left);
    assert!(!found(&mut replica, &left(1)));
    assert!(found(&mut replica, &left(2)));
}

#[test]
fn what_was_seen_to_be_as_new_as_a_head_is_believed_as_of_that_head() {
    let [left_leaf, right_leaf] = halves(10);
    let mut replica = warm();
    adopt(&mut replica, head(15, [&left_leaf, &right_leaf]));
    assert!(found(&mut replica, &left(1)), "its name is the same");
    adopt(&mut replica, later(20, 15));
    assert!(found(&mut replica, &left(1)));
    need(&mut replica, &right());
}

#[test]
fn recent_counts_before_any_leaf() {
    let mut replica = warm();
    let mut newer = later(10, 10);
    let disabled = Record { disabled: true, ..record() };
    let entry = |fingerprint, state: Option<(Record, Policy)>| RecentEntry { fingerprint, generation: 15, state };
    newer.recent = vec![
        entry(left(1), None),
        entry(left(2), Some((disabled, policy()))),
        entry(left(3), Some((record(), policy()))),
    ];
    adopt(&mut replica, newer);
    assert_eq!(replica.lookup(&left(1), NOW_MS), Lookup::Absent);
    assert_eq!(replica.lookup(&left(2), NOW_MS), Lookup::Found(disabled, (&policy()).into()));
    assert_eq!(replica.lookup(&left(3), NOW_MS), Lookup::Found(record(), (&policy()).into()));
}
