//! What is carried and what is let go, what the floors say of it, and what a restart leaves of it.

use super::*;
use keyward_shared::fingerprint::PepperId;
use keyward_shared::snapshot::{ObjectName, Shape, Tree};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

fn change(number: u32, generation: u64, narrowing: bool) -> SecretChange {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SecretChange {
        fingerprint: Fingerprint::from_bytes(bytes),
        generation,
        narrowing,
        entries_of_mutation: 1,
        state: None,
    }
}

fn bulk(generation: u64, size: u32, narrowing: bool) -> Vec<SecretChange> {
    let one = |number| SecretChange {
        entries_of_mutation: u64::from(size),
        ..change(10_000 * u32::try_from(generation).unwrap_or(0) + number, generation, narrowing)
    };
    (0..size).map(one).collect()
}

fn span(after: u64, through: u64) -> Span {
    Span { after, through, first_too_large: None }
}

#[test]
fn what_the_tree_holds_makes_room_widening_first() {
    let mut recent = Recent::default();
    let first: Vec<_> = (1..=512).map(|n| change(n, u64::from(n), n % 2 == 0)).collect();
    assert_eq!(recent.admit(&first, span(0, 512), 0), Ok(Admitted { through: 512, blocked: false }));
    let more = [change(1_000, 513, true)];
    assert_eq!(recent.admit(&more, span(512, 513), 512), Ok(Admitted { through: 513, blocked: false }));
    assert_eq!((recent.len(), recent.recent_since(), recent.narrowed_since()), (512, 1, 0));
}

#[test]
fn what_the_tree_lacks_is_kept_and_the_generation_waits() {
    let mut recent = Recent::default();
    let first: Vec<_> = (1..=512).map(|n| change(n, u64::from(n), true)).collect();
    assert_eq!(recent.admit(&first, span(0, 512), 0), Ok(Admitted { through: 512, blocked: false }));
    let more = [change(1_000, 513, true)];
    assert_eq!(recent.admit(&more, span(512, 513), 0), Ok(Admitted { through: 512, blocked: true }));
    assert_eq!((recent.len(), recent.recent_since()), (512, 0));
}

#[test]
fn a_disable_overtakes_a_flood_of_creations() {
    let mut recent = Recent::default();
    let mut changes: Vec<_> = (1..=600).map(|n| change(n, u64::from(n), false)).collect();
    changes.push(change(1_000, 601, true));
    assert_eq!(recent.admit(&changes, span(0, 601), 0), Ok(Admitted { through: 448, blocked: true }));
    assert_eq!((recent.len(), recent.newest()), (449, Some(601)), "ahead of the generation");
}

#[test]
fn a_disable_overtakes_bulk_work_that_waits() {
    let mut recent = Recent::default();
    let mut changes = bulk(1, 1_000, false);
    changes.push(change(1, 2, false));
    changes.push(change(2, 3, true));
    assert_eq!(recent.admit(&changes, span(0, 3), 0), Ok(Admitted { through: 0, blocked: true }));
    assert_eq!((recent.len(), recent.newest()), (1, Some(3)), "the narrowing one, ahead of the generation");
}

#[test]
fn bulk_work_leaves_room_for_single_changes() {
    let mut recent = Recent::default();
    assert!(recent.admit(&bulk(1, 448, false), span(0, 1), 0).is_ok_and(|admitted| !admitted.blocked));
    assert!(recent.admit(&bulk(2, 4, false), span(1, 2), 0).is_ok_and(|admitted| admitted.blocked));
    let singles: Vec<_> = (3..67).map(|n| change(n, u64::from(n), true)).collect();
    assert_eq!(recent.admit(&singles, span(1, 66), 0), Ok(Admitted { through: 66, blocked: false }));
}

#[test]
fn what_was_carried_before_bulk_work_does_not_hide_it() {
    let mut recent = Recent::default();
    let before = change(20_000, 1, false);
    assert!(recent.admit(std::slice::from_ref(&before), span(0, 1), 0).is_ok());
    recent.in_tree(2, &before.fingerprint, true);
    assert_eq!((recent.len(), recent.recent_since(), recent.narrowed_since()), (0, 2, 2));
}

#[test]
fn a_narrowing_that_was_widened_again_still_counts_as_one() {
    let mut recent = Recent::default();
    let changes = [change(1, 1, true), change(1, 2, false)];
    assert!(recent.admit(&changes, span(0, 2), 0).is_ok());
    let mut full: Vec<_> = (3..=513).map(|n| change(n, u64::from(n), true)).collect();
    full.push(change(600, 514, true));
    assert!(recent.admit(&full, span(2, 514), 514).is_ok());
    assert_eq!(recent.narrowed_since(), 2, "the entry of both changes was let go as a narrowing one");
}

/// What a publisher that starts again takes from the head of one that carried `recent`, where the outbox
/// has these changes.
fn resumed(recent: &Recent, outbox: &[SecretChange]) -> Recent {
    let name = ObjectName::of(b"an object");
    let newest = recent.newest().unwrap_or(0);
    let head = Head {
        epoch: 1,
        generation: newest,
        issued_at: 1,
        expires_at: 2,
        tree_generation: 0,
        recent_since: recent.recent_since(),
        narrowed_since: recent.narrowed_since(),
        narrowed_through: newest,
        settings: name,
        ack_wanted: false,
        checkpoint: Vec::new(),
        tree: Tree { shape: Shape::of_depth(0), pepper: PepperId::from_u64(1), top: vec![name] },
        next: None,
        recent: recent.to_entries(),
    };
    let mark = |fingerprint: &Fingerprint, generation| {
        let of = |change: &&SecretChange| (change.fingerprint, change.generation) == (*fingerprint, generation);
        outbox.iter().find(of).map(|change| OutboxMark {
            generation,
            fingerprint: *fingerprint,
            narrowing: change.narrowing,
            entries_of_mutation: change.entries_of_mutation,
        })
    };
    Recent::of_head(&head, mark).expect("what a head carried")
}

#[test]
fn a_disable_overtakes_a_flood_of_creations_also_after_a_restart_in_its_midst() {
    let mut changes: Vec<_> = (1..=600).map(|n| change(n, u64::from(n), false)).collect();
    changes.push(change(1_000, 601, true));
    let mut recent = Recent::default();
    assert!(recent.admit(&changes[..448], span(0, 448), 0).is_ok_and(|admitted| !admitted.blocked));
    let mut recent = resumed(&recent, &changes);
    assert_eq!(recent.admit(&changes[448..], span(448, 601), 0), Ok(Admitted { through: 448, blocked: true }));
    assert_eq!((recent.len(), recent.newest()), (449, Some(601)), "ahead of the generation");
    recent.in_tree(602, &changes[0].fingerprint, false);
    assert_eq!(recent.narrowed_since(), 602, "for all that is known, it stands for a narrowing");
}

#[test]
fn a_disable_finds_the_room_that_is_left_where_more_yields_after_a_restart_than_before() {
    let mut changes: Vec<_> = (1..=448).map(|n| change(n, u64::from(n), false)).collect();
    // Disabled and enabled again.
    changes.extend((449..=508).map(|n| change(n, u64::from(n), true)));
    changes.extend((449..=508).map(|n| change(n, u64::from(n) + 60, false)));
    let mut recent = Recent::default();
    assert!(recent.admit(&changes, span(0, 568), 0).is_ok_and(|admitted| !admitted.blocked));
    let mut recent = resumed(&recent, &changes);
    let disable = [change(1_000, 569, true)];
    assert_eq!(recent.admit(&disable, span(568, 569), 0), Ok(Admitted { through: 569, blocked: false }));
}

/// One case for so many of what other tests are run with: each takes as long as hundreds of theirs.
const SHARE: u32 = 16;

#[test]
fn nothing_the_tree_lacks_is_lost_and_the_floors_tell_what_was_let_go() {
    let steps = prop::collection::vec((0..800_u32, any::<bool>(), 0..12_u8), 600..900);
    let usual = ProptestConfig::default();
    // `proptest!` would ask the environment again.
    let config = ProptestConfig { cases: usual.cases.div_ceil(SHARE), source_file: Some(file!()), ..usual };
    let mut runner = TestRunner::new(config);
    if let Err(failure) = runner.run(&steps, nothing_is_lost) {
        panic!("{failure}\n{runner}");
    }
}

fn nothing_is_lost(steps: Vec<(u32, bool, u8)>) -> Result<(), TestCaseError> {
    let (mut recent, mut tree, mut generation) = (Recent::default(), 0, 0);
    let mut log: Vec<SecretChange> = Vec::new();
    for (number, narrowing, kind) in steps {
        generation += 1;
        let one = change(number, generation, narrowing);
        let admitted = recent.admit(std::slice::from_ref(&one), span(generation - 1, generation), tree)?;
        if kind == 0 || admitted.blocked {
            tree = generation;
            recent.in_tree(generation, &one.fingerprint, one.narrowing);
        }
        log.push(one);
        let bytes = Head::recent_bytes(&recent.to_entries())?;
        prop_assert_eq!(bytes, recent.weight.bytes + Head::RECENT_FIXED_BYTES);
        prop_assert!(recent.narrowed_since() <= recent.recent_since() && recent.recent_since() <= tree);
        // Quadratic, so not at every step.
        if generation % 50 != 0 {
            continue;
        }
        for change in &log {
            let carried =
                recent.entries.get(&change.fingerprint).is_some_and(|entry| entry.generation >= change.generation);
            prop_assert!(carried || change.generation <= recent.recent_since());
            prop_assert!(carried || !change.narrowing || change.generation <= recent.narrowed_since());
            let hides =
                recent.entries.get(&change.fingerprint).is_some_and(|entry| entry.generation < change.generation);
            prop_assert!(!hides, "an earlier change hides a later one");
        }
    }
    Ok(())
}
