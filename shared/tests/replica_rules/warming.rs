//! What a replica loads of the tree that is being built, and what it makes of it.

use keyward_shared::fingerprint::Pepper;
use keyward_shared::snapshot::{Head, Lookup, ObjectName, Place, Replica, Shape, Tree};

use super::{adopt, found, half, halves, head, leaf, left, load, need, pepper, replica, replica_with, right};
use crate::fixtures::{NOW_MS, fingerprint, record};

/// The leaf at two bits that has the same keys as the left half's.
const QUARTER: Place = Place { depth: 2, prefix: 0 };

/// The four leaves at two bits, as of a generation.
fn quarters(generation: u64) -> [Vec<u8>; 4] {
    let place = |prefix| Place { depth: 2, prefix };
    [
        leaf(QUARTER, generation, &[(left(1), record()), (left(2), record())]),
        leaf(place(1), generation, &[]),
        leaf(place(2), generation, &[(right(), record())]),
        leaf(place(3), generation, &[]),
    ]
}

fn tree(quarters: &[Vec<u8>; 4]) -> Tree {
    let top = quarters.iter().map(|bytes| ObjectName::of(bytes)).collect();
    Tree { shape: Shape::of_depth(2), pepper: pepper().id(), top }
}

/// The halves as of generation 10, with the quarters beside them.
fn preparing(quarters: &[Vec<u8>; 4]) -> Head {
    let [left_leaf, right_leaf] = halves(10);
    Head { next: Some(tree(quarters)), ..head(10, [&left_leaf, &right_leaf]) }
}

/// The quarters under a head of a generation.
fn switched(generation: u64, quarters: &[Vec<u8>; 4]) -> Head {
    let [left_leaf, right_leaf] = halves(10);
    Head { tree: tree(quarters), ..head(generation, [&left_leaf, &right_leaf]) }
}

/// A replica that uses the left half while the quarters are being built.
fn using_left(mut replica: Replica, quarters: &[Vec<u8>; 4]) -> Replica {
    let [left_leaf, _] = halves(10);
    adopt(&mut replica, preparing(quarters));
    load(&mut replica, &left(1), &left_leaf);
    replica.promote(&left(1));
    replica
}

fn warm_all(replica: &mut Replica, quarters: &[Vec<u8>; 4]) -> Vec<Place> {
    let mut places = Vec::new();
    while let Some(need) = replica.to_warm(1).first() {
        let bytes = quarters.iter().find(|bytes| ObjectName::of(bytes) == need.name).expect("one of them");
        replica.insert(need, bytes.clone()).expect("the bytes of that name");
        places.push(need.place);
        assert!(places.len() <= quarters.len(), "no end");
    }
    places
}

#[test]
fn loads_what_covers_the_leaves_in_use_and_needs_nothing_after_the_switch() {
    let quarters = quarters(10);
    let mut replica = using_left(replica(), &quarters);
    assert!(replica.has_next());
    assert_eq!(warm_all(&mut replica, &quarters), [QUARTER, Place { depth: 2, prefix: 1 }]);
    adopt(&mut replica, switched(11, &quarters));
    assert!(found(&mut replica, &left(1)) && !found(&mut replica, &left(3)));
    assert_eq!(need(&mut replica, &right()).place, Place { depth: 2, prefix: 2 });
    assert!(!replica.has_next() && replica.to_warm(1).is_empty());
}

#[test]
fn what_was_not_in_use_is_not_loaded_ahead() {
    let quarters = quarters(10);
    let [left_leaf, _] = halves(10);
    let mut replica = replica();
    adopt(&mut replica, preparing(&quarters));
    load(&mut replica, &left(3), &left_leaf);
    assert!(replica.to_warm(9).is_empty());
}

#[test]
fn a_leaf_that_changed_since_still_allows_and_does_not_refuse() {
    let old = quarters(10);
    let mut replica = using_left(replica(), &old);
    warm_all(&mut replica, &old);
    let switched = |narrowed_since| Head { narrowed_since, ..switched(20 + narrowed_since, &quarters(20)) };
    adopt(&mut replica, switched(10));
    assert!(found(&mut replica, &left(1)), "only widened since");
    assert_eq!(need(&mut replica, &left(3)).place, QUARTER);
    adopt(&mut replica, switched(11));
    assert_eq!(need(&mut replica, &left(1)).place, QUARTER);
}

#[test]
fn what_is_newer_in_the_next_tree_is_believed_before_the_switch() {
    let [old_left, _] = halves(10);
    let quarters = quarters(15);
    let mut replica = using_left(replica(), &quarters);
    warm_all(&mut replica, &quarters);
    let new_left = leaf(half(0), 20, &[]);
    let later = Head { next: Some(tree(&quarters)), narrowed_since: 15, ..head(20, [&new_left, &new_left]) };
    adopt(&mut replica, later.clone());
    assert!(found(&mut replica, &left(1)), "the half is of 10, the quarter of 15");
    adopt(&mut replica, Head { narrowed_since: 16, issued_at: NOW_MS + 21, ..later });
    assert_eq!(need(&mut replica, &left(1)).name, ObjectName::of(&new_left));
    assert_ne!(ObjectName::of(&new_left), ObjectName::of(&old_left));
}

#[test]
fn of_another_pepper_nothing_is_warmed_and_nothing_believed() {
    let quarters = quarters(10);
    let mut replica = replica();
    let mut preparing = preparing(&quarters);
    if let Some(next) = &mut preparing.next {
        next.pepper = Pepper::new([8; 32]).id();
    }
    adopt(&mut replica, preparing);
    load(&mut replica, &left(1), &halves(10)[0]);
    replica.promote(&left(1));
    assert!(replica.to_warm(9).is_empty());
    assert!(found(&mut replica, &left(1)));
}

#[test]
fn a_next_tree_that_is_given_up_is_forgotten_and_what_comes_late_is_dropped() {
    let quarters = quarters(10);
    let mut replica = using_left(replica(), &quarters);
    let held = replica.held_bytes();
    let late = *replica.to_warm(1).first().expect("something to warm");
    warm_all(&mut replica, &quarters);
    assert!(replica.held_bytes() > held);
    let [left_leaf, right_leaf] = halves(10);
    adopt(&mut replica, head(12, [&left_leaf, &right_leaf]));
    assert_eq!(replica.held_bytes(), held);
    assert_eq!(replica.insert(&late, quarters[0].clone()), Ok(()));
    assert_eq!(replica.held_bytes(), held);
}

/// After warming the current leaf is the first to go, unless it alone answers somebody: for a key
/// created since the next tree was built, or once a floor has risen above that tree.
#[test]
fn what_only_the_current_tree_answers_stays_held() {
    let quarters = quarters(10);
    let rows = [left(1), left(2), left(9)].map(|key| (key, record()));
    let (left_leaf, right_leaf) = (leaf(half(0), 12, &rows), leaf(half(1), 12, &[(right(), record())]));
    let under = |generation, narrowed_since| Head {
        next: Some(tree(&quarters)),
        narrowed_since,
        recent_since: 12,
        tree_generation: 12,
        ..head(generation, [&left_leaf, &right_leaf])
    };
    let warmed = |cache_bytes| {
        let mut replica = replica_with(cache_bytes);
        adopt(&mut replica, under(12, 10));
        load(&mut replica, &left(1), &left_leaf);
        replica.promote(&left(1));
        warm_all(&mut replica, &quarters);
        replica
    };
    let full = warmed(usize::MAX).held_bytes();
    for (asked, narrowed_since, stays) in [(left(1), 10, false), (left(9), 10, true), (left(1), 11, true)] {
        let mut replica = warmed(full);
        adopt(&mut replica, under(13, narrowed_since));
        assert!(found(&mut replica, &asked));
        replica.promote(&asked);
        load(&mut replica, &right(), &right_leaf);
        let holds_it = !matches!(replica.lookup(&left(9), NOW_MS), Lookup::Need(_));
        assert_eq!(holds_it, stays, "{asked:?} under a floor of {narrowed_since}");
    }
}

#[test]
fn a_third_shape_of_the_current_tree_leaves_the_next_one_warmed() {
    let quarters = quarters(10);
    let mut replica = using_left(replica(), &quarters);
    warm_all(&mut replica, &quarters);
    let whole = leaf(Place { depth: 0, prefix: 0 }, 11, &[]);
    let third = Tree { shape: Shape::of_depth(0), pepper: pepper().id(), top: vec![ObjectName::of(&whole)] };
    adopt(&mut replica, Head { tree: third, generation: 11, issued_at: NOW_MS + 11, ..preparing(&quarters) });
    adopt(&mut replica, switched(12, &quarters));
    assert!(found(&mut replica, &left(1)), "warmed before");
}

/// 128 leaves in use fill the cache; twice as many, half as large, take their place one by one.
#[test]
fn a_full_cache_is_warmed_within_its_bound_and_loses_nothing_in_use() {
    let key = |number: u32| fingerprint(u8::try_from(number).expect("a byte"), 1);
    let at = |depth: u8| -> Vec<_> {
        let rows = |prefix: u32| (prefix << (8 - depth)..(prefix + 1) << (8 - depth)).map(|n| (key(n), record()));
        (0..1 << depth).map(|prefix| leaf(Place { depth, prefix }, 10, &rows(prefix).collect::<Vec<_>>())).collect()
    };
    let (now, next) = (at(7), at(6));
    let of = |leaves: &[Vec<u8>], depth| Tree {
        shape: Shape::of_depth(depth),
        pepper: pepper().id(),
        top: leaves.iter().map(|bytes| ObjectName::of(bytes)).collect(),
    };
    for (now, next) in [((&now, 7), (&next, 6)), ((&next, 6), (&now, 7))] {
        let (current, prepared) = (of(now.0, now.1), of(next.0, next.1));
        let under = |tree: &Tree, next: Option<&Tree>, generation| {
            let [left_leaf, right_leaf] = halves(10);
            Head { tree: tree.clone(), next: next.cloned(), ..head(generation, [&left_leaf, &right_leaf]) }
        };
        let fill = |replica: &mut Replica| {
            for number in 0..256 {
                if let Lookup::Need(need) = replica.lookup(&key(number), NOW_MS) {
                    replica.insert(&need, now.0[need.place.prefix as usize].clone()).expect("the leaf");
                }
                assert!(found(replica, &key(number)));
                replica.promote(&key(number));
            }
        };
        let mut probe = replica();
        adopt(&mut probe, under(&current, Some(&prepared), 10));
        fill(&mut probe);
        let current_bytes = probe.held_bytes();
        let mut loaded = 0;
        while let Some(need) = probe.to_warm(1).first() {
            probe.insert(need, next.0[need.place.prefix as usize].clone()).expect("the leaf");
            loaded += 1;
        }
        assert_eq!(loaded, next.0.len());
        // Room for the larger of both, and for a leaf of each that are held at once.
        let next_bytes = probe.held_bytes() - current_bytes;
        let bound = current_bytes.max(next_bytes) * 33 / 32;
        let mut replica = replica_with(bound);
        adopt(&mut replica, under(&current, Some(&prepared), 10));
        fill(&mut replica);
        while let Some(need) = replica.to_warm(1).first() {
            replica.insert(need, next.0[need.place.prefix as usize].clone()).expect("the leaf");
            assert!(replica.held_bytes() <= bound);
            for number in 0..256 {
                assert!(found(&mut replica, &key(number)), "{number}");
            }
        }
        adopt(&mut replica, under(&prepared, None, 11));
        for number in 0..256 {
            assert!(found(&mut replica, &key(number)), "{number}");
        }
    }
}
