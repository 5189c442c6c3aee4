//! Random well-formed keys force leaves to be loaded: only an allow lets one outlive the others.

use keyward_shared::decision::{Decision, decide};
use keyward_shared::policy::Apis;
use keyward_shared::snapshot::{Head, LeafBuilder, ObjectName, Place, Replica, ReplicaOptions, Shape, Tree};

use super::{Scene, request};
use crate::fixtures::{DEPLOYMENT, NOW_MS, STAMP, basic, fingerprint_of, name, origin, pepper, policy, record};

/// A key whose fingerprint lies in this quarter of the tree.
fn key_in(place: Place) -> String {
    (0..10_000_u32)
        .map(|number| format!("{number:032}"))
        .find(|key| place.covers(&fingerprint_of(key)))
        .expect("one in four")
}

#[test]
fn what_is_refused_is_let_go_before_what_is_allowed() {
    let places = [0, 1, 2, 3].map(|prefix| Place { depth: 2, prefix });
    let keys = places.map(key_in);
    let mut no_apis = policy();
    no_apis.apis = Apis::Only(Vec::new());
    // The first key is allowed, the second is refused by its policy, the third is disabled.
    let mut disabled = record();
    disabled.disabled = true;
    let states = [(record(), policy()), (record(), no_apis), (disabled, policy()), (record(), policy())];
    let leaves: Vec<_> = places
        .iter()
        .zip(&keys)
        .zip(&states)
        .map(|((&place, key), (record, policy))| {
            let mut leaf = LeafBuilder::new(place);
            leaf.push(fingerprint_of(key), record, policy).expect("one record");
            leaf.finish(origin(), STAMP).expect("small")
        })
        .collect();
    let (template, _) = Scene::new().cold();
    let head = Head {
        settings: name(1),
        tree: Tree {
            shape: Shape::new(vec![2]).expect("a shape"),
            pepper: pepper().id(),
            top: leaves.iter().map(|leaf| ObjectName::of(leaf)).collect(),
        },
        ..template.head().expect("a head").clone()
    };

    let replica = |cache_bytes| {
        let mut replica = Replica::new(ReplicaOptions {
            deployment: DEPLOYMENT.to_owned(),
            peppers: vec![pepper()],
            min_epoch: 0,
            cache_bytes,
        });
        assert_eq!(replica.adopt(head.clone(), Scene::new().settings, NOW_MS), Ok(true));
        replica
    };
    for refused in [1, 2] {
        let judge = |replica: &mut Replica, index: usize| judge(replica, &keys[index], &leaves[index]);
        let mut probe = replica(usize::MAX);
        for index in [0, refused, 3] {
            judge(&mut probe, index);
        }
        // Room for two leaves, not for three.
        let mut replica = replica(probe.held_bytes() - 1);
        let allowed = judge(&mut replica, 0);
        assert!(matches!(allowed, Decision::Allow(_)));
        assert!(matches!(judge(&mut replica, refused), Decision::Deny(_)));
        judge(&mut replica, 3);
        let authorization = basic(&format!("{}:", keys[0]));
        let again = decide(&mut replica, &request("GET", "/v1/data", &authorization), NOW_MS);
        assert_eq!(again, allowed, "still held");
    }
}

/// The verdict, after loading what it needs.
fn judge(replica: &mut Replica, key: &str, leaf: &[u8]) -> Decision {
    let authorization = basic(&format!("{key}:"));
    let request = request("GET", "/v1/data", &authorization);
    let Decision::Need(need) = decide(replica, &request, NOW_MS) else {
        panic!("the leaf is not there yet");
    };
    replica.insert(&need, leaf.to_vec()).expect("the leaf");
    decide(replica, &request, NOW_MS)
}
