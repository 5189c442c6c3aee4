//! What a replica believes, one rule a test: which heads it takes, what it answers without loading,
//! what it loads again, and what it does with objects that are late, wrong or too many.

mod attacks;
mod belief;
mod heads;
mod objects;
mod warming;

use keyward_shared::fingerprint::{Fingerprint, Pepper};
use keyward_shared::record::Record;
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{
    Head, LeafBuilder, Lookup, Need, ObjectName, Place, Replica, ReplicaOptions, Shape, Stamp, Tree,
};

use crate::fixtures::{DEPLOYMENT, NOW_MS, fingerprint, name, origin, pepper, policy, record};

fn replica_with(cache_bytes: usize) -> Replica {
    Replica::new(ReplicaOptions {
        deployment: DEPLOYMENT.to_owned(),
        peppers: vec![pepper(), Pepper::new([8; 32])],
        min_epoch: 2,
        cache_bytes,
    })
}

fn replica() -> Replica {
    replica_with(usize::MAX)
}

fn leaf(place: Place, generation: u64, rows: &[(Fingerprint, Record)]) -> Vec<u8> {
    let mut leaf = LeafBuilder::new(place);
    for (fingerprint, record) in rows {
        leaf.push(*fingerprint, record, &policy()).expect("in order");
    }
    let stamp = Stamp { epoch: 2, generation };
    leaf.finish(origin(), stamp).expect("small")
}

/// The place of the leaf at one bit, 0 or 1.
const fn half(prefix: u32) -> Place {
    Place { depth: 1, prefix }
}

/// A head over two leaves with everything in the tree at `generation`.
fn head(generation: u64, leaves: [&[u8]; 2]) -> Head {
    Head {
        epoch: 2,
        generation,
        issued_at: NOW_MS + generation,
        expires_at: NOW_MS + 86_400_000,
        tree_generation: generation,
        recent_since: generation,
        narrowed_since: generation,
        narrowed_through: generation,
        settings: name(1),
        ack_wanted: false,
        checkpoint: Vec::new(),
        tree: Tree {
            shape: Shape::new(vec![1]).expect("a shape"),
            pepper: pepper().id(),
            top: leaves.map(ObjectName::of).to_vec(),
        },
        next: None,
        recent: Vec::new(),
    }
}

fn adopt(replica: &mut Replica, head: Head) {
    assert_eq!(replica.adopt(head, Settings::default(), NOW_MS), Ok(true), "a newer head");
}

fn need(replica: &mut Replica, fingerprint: &Fingerprint) -> Need {
    match replica.lookup(fingerprint, NOW_MS) {
        Lookup::Need(need) => need,
        other => panic!("{other:?} without loading"),
    }
}

fn load(replica: &mut Replica, fingerprint: &Fingerprint, bytes: &[u8]) {
    let need = need(replica, fingerprint);
    replica.insert(&need, bytes.to_vec()).expect("the bytes of that name");
}

fn found(replica: &mut Replica, fingerprint: &Fingerprint) -> bool {
    match replica.lookup(fingerprint, NOW_MS) {
        Lookup::Found(..) => true,
        Lookup::Absent => false,
        other => panic!("{other:?} is no verdict"),
    }
}

/// Two keys of the left half, one that is not there, and one of the right half.
fn left(last: u8) -> Fingerprint {
    fingerprint(0x10, last)
}

fn right() -> Fingerprint {
    fingerprint(0x90, 0)
}

fn halves(generation: u64) -> [Vec<u8>; 2] {
    [
        leaf(half(0), generation, &[(left(1), record()), (left(2), record())]),
        leaf(half(1), generation, &[(right(), record())]),
    ]
}

/// A replica that holds both leaves of generation 10.
fn warm() -> Replica {
    let [left_leaf, right_leaf] = halves(10);
    let mut replica = replica();
    adopt(&mut replica, head(10, [&left_leaf, &right_leaf]));
    load(&mut replica, &left(1), &left_leaf);
    load(&mut replica, &right(), &right_leaf);
    replica
}
