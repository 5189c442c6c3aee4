//! What becomes of objects that are wrong, late, of another shape, or too many.

use keyward_shared::fingerprint::Pepper;
use keyward_shared::snapshot::{DecodeError, Lookup, Node, ObjectName, Place, Shape, Stamp};

use super::{adopt, found, half, halves, head, leaf, left, load, need, replica, replica_with, warm};
use crate::fixtures::{NOW_MS, fingerprint, name, origin, record};

#[test]
fn that_are_wrong_are_errors_and_change_nothing() {
    let [left_leaf, right_leaf] = halves(10);
    let mut replica = replica();
    adopt(&mut replica, head(10, [&left_leaf, &right_leaf]));
    let need = need(&mut replica, &left(1));
    let mut flipped = left_leaf.clone();
    flipped[60] ^= 1;
    let mut longer = left_leaf.clone();
    longer.push(0);
    for wrong in [Vec::new(), flipped, longer, right_leaf] {
        let got = ObjectName::of(&wrong);
        assert_eq!(replica.insert(&need, wrong), Err(DecodeError::Name { expected: need.name, got }));
        assert_eq!(replica.lookup(&left(1), NOW_MS), Lookup::Need(need));
        assert_eq!(replica.held_bytes(), 0);
    }
    replica.insert(&need, left_leaf).expect("the right bytes");
    assert!(found(&mut replica, &left(1)));
}

/// A publisher's error: the bytes have the name that the head gives, but belong elsewhere.
#[test]
fn that_the_head_names_but_that_do_not_belong_there_are_errors() {
    let [_, right_leaf] = halves(10);
    let children = [name(1), name(2)];
    let stamp = Stamp { epoch: 2, generation: 10 };
    let node = Node::encode(origin(), half(0), stamp, 1, &children).expect("two children");
    for (wrong, levels) in [
        (right_leaf.clone(), vec![1]),
        (node.clone(), vec![1]),
        (b"nonsense".to_vec(), vec![1]),
        (node.clone(), vec![1, 2]),
        (leaf(half(0), 10, &[]), vec![1, 1]),
    ] {
        let mut head = head(10, [&wrong, &right_leaf]);
        head.tree.shape = Shape::new(levels.clone()).expect("a shape");
        let mut replica = replica();
        adopt(&mut replica, head);
        let need = need(&mut replica, &left(1));
        assert!(replica.insert(&need, wrong).is_err(), "{levels:?}");
        assert_eq!(replica.lookup(&left(1), NOW_MS), Lookup::Need(need));
    }
}

#[test]
fn that_come_late_count_as_of_when_they_were_asked_for() {
    let [left_leaf, right_leaf] = halves(10);
    let mut replica = replica();
    adopt(&mut replica, head(10, [&left_leaf, &right_leaf]));
    let late = need(&mut replica, &left(1));
    let new_left = leaf(half(0), 20, &[]);
    adopt(&mut replica, head(20, [&new_left, &right_leaf]));
    replica.insert(&late, left_leaf.clone()).expect("the bytes of that name");
    assert_eq!(need(&mut replica, &left(1)).name, ObjectName::of(&new_left));
    load(&mut replica, &left(1), &new_left);
    assert!(!found(&mut replica, &left(1)));
    // Later still, it does not take the newer one's place.
    replica.insert(&late, left_leaf).expect("the bytes of that name");
    assert!(!found(&mut replica, &left(1)));
}

#[test]
fn that_come_after_a_reshaping_or_a_new_pepper_are_dropped() {
    let [left_leaf, right_leaf] = halves(10);
    for reshaped in [true, false] {
        let mut replica = warm();
        let held = replica.held_bytes();
        assert!(held > 0);
        let mut changed = head(20, [&left_leaf, &right_leaf]);
        if reshaped {
            changed.tree.shape = Shape::default();
            changed.tree.top.truncate(1);
        } else {
            changed.tree.pepper = Pepper::new([8; 32]).id();
        }
        let mut cold = self::replica();
        adopt(&mut cold, head(10, [&left_leaf, &right_leaf]));
        let late = need(&mut cold, &left(1));
        adopt(&mut cold, changed.clone());
        assert_eq!(cold.insert(&late, left_leaf.clone()), Ok(()));
        assert_eq!(cold.held_bytes(), 0);
        adopt(&mut replica, changed);
        assert_eq!(replica.held_bytes(), 0, "nothing of another shape");
        need(&mut replica, &left(1));
    }
}

#[test]
fn that_only_refuse_make_room_for_those_that_allow() {
    let place = |prefix| Place { depth: 7, prefix };
    let first = |prefix: u32| u8::try_from(prefix << 1).expect("seven bits");
    let leaves: Vec<_> =
        (0..128).map(|prefix| leaf(place(prefix), 10, &[(fingerprint(first(prefix), 1), record())])).collect();
    let mut all = head(10, [&leaves[0], &leaves[1]]);
    all.tree.shape = Shape::new(vec![7]).expect("a shape");
    all.tree.top = leaves.iter().map(|bytes| ObjectName::of(bytes)).collect();
    let mut probe = replica();
    adopt(&mut probe, all.clone());
    load(&mut probe, &fingerprint(0, 1), &leaves[0]);
    let one = probe.held_bytes();

    let mut replica = replica_with(10 * one);
    adopt(&mut replica, all);
    let used = fingerprint(first(77), 1);
    load(&mut replica, &used, &leaves[77]);
    replica.promote(&used);
    for (prefix, bytes) in (0..128).zip(&leaves).filter(|&(prefix, _)| prefix != 77) {
        load(&mut replica, &fingerprint(first(prefix), 9), bytes);
        assert!(replica.held_bytes() <= 10 * one);
    }
    assert!(found(&mut replica, &used));
}

/// Places are not laid out before they are used: 2^28 of them would be the end of an isolate.
#[test]
fn of_the_deepest_tree_take_no_room_before_they_are_there() {
    let [left_leaf, right_leaf] = halves(10);
    let mut deepest = head(10, [&left_leaf, &right_leaf]);
    deepest.tree.shape = Shape::of_depth(28);
    deepest.tree.top = vec![name(1); 128];
    let mut replica = replica();
    let memory = allocation_counter::measure(|| adopt(&mut replica, deepest));
    assert!(memory.bytes_max < 64 * 1024, "{} bytes", memory.bytes_max);
}
