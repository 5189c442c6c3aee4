//! What every object carries: kind, version, deployment, place and pepper.

use keyward_shared::fingerprint::Pepper;
use keyward_shared::snapshot::{
    DecodeError, Head, Leaf, LeafBuilder, MAX_DEPLOYMENT_BYTES, MAX_LEAF_BYTES, MAX_OBJECT_BYTES, MAX_SETTINGS_BYTES,
    Node, Origin, Place, decode_settings, encode_settings,
};

use crate::fixtures::{
    DEPLOYMENT, PLACE_AT, STAMP, full_head, full_settings, leaf_bytes, leaf_place, name, origin, signing_key, trusted,
};

/// Each kind of object, read as if it were of `origin` and at `place`.
fn read_all(origin: Origin<'_>, moved: bool) -> [Option<DecodeError>; 3] {
    let place = if moved { Place { depth: 3, prefix: 0b100 } } else { leaf_place() };
    let root = if moved { place } else { Place::ROOT };
    let node = Node::encode(crate::fixtures::origin(), leaf_place(), STAMP, 1, &[name(1), name(2)]);
    let mut settings = encode_settings(crate::fixtures::origin(), STAMP, &full_settings()).expect("small");
    if moved {
        settings[PLACE_AT] = root.depth;
    }
    [
        Leaf::decode(leaf_bytes().into(), origin, place).err(),
        Node::decode(&node.expect("two children"), origin, place).err(),
        decode_settings(&settings, origin).err(),
    ]
}

#[test]
fn of_another_deployment_pepper_or_place_are_refused() {
    assert_eq!(read_all(origin(), false), [None, None, None]);
    for deployment in ["", "tes", "test2", "prod"] {
        let other = Origin { deployment, ..origin() };
        for error in read_all(other, false) {
            assert_eq!(error, Some(DecodeError::Deployment), "{deployment}");
        }
    }
    let other = Origin { pepper: Pepper::new([8; 32]).id(), ..origin() };
    for error in read_all(other, false) {
        assert!(matches!(error, Some(DecodeError::Pepper { .. })));
    }
    for error in read_all(origin(), true) {
        assert!(matches!(error, Some(DecodeError::Place { .. })));
    }
}

#[test]
fn of_another_kind_or_version_are_refused() {
    let leaf = leaf_bytes();
    assert!(matches!(Node::decode(&leaf, origin(), leaf_place()), Err(DecodeError::Kind { .. })));
    assert!(matches!(decode_settings(&leaf, origin()), Err(DecodeError::Kind { .. })));
    let mut newer = leaf;
    newer[4] = 2;
    assert_eq!(
        Leaf::decode(newer.into(), origin(), leaf_place()).err(),
        Some(DecodeError::Version { expected: 1, got: 2 })
    );
    let mut head = full_head().sign(DEPLOYMENT, &signing_key()).expect("within bounds").into_bytes();
    head[4] = 2;
    assert_eq!(Head::verify(&head, DEPLOYMENT, &trusted()), Err(DecodeError::Version { expected: 1, got: 2 }));
    head[0] = b'X';
    assert!(matches!(Head::verify(&head, DEPLOYMENT, &trusted()), Err(DecodeError::Kind { .. })));
}

#[test]
fn a_deployments_name_has_at_most_64_bytes() {
    let written = |length: usize| {
        let deployment = "d".repeat(length);
        let origin = Origin { deployment: &deployment, ..origin() };
        [
            LeafBuilder::new(Place::ROOT).finish(origin, STAMP).is_ok(),
            Node::encode(origin, Place::ROOT, STAMP, 1, &[name(1), name(2)]).is_some(),
            encode_settings(origin, STAMP, &full_settings()).is_ok(),
        ]
    };
    assert_eq!(written(MAX_DEPLOYMENT_BYTES), [true; 3]);
    assert_eq!(written(MAX_DEPLOYMENT_BYTES + 1), [false; 3]);
    assert_eq!(written(300), [false; 3]);
}

#[test]
fn no_object_is_larger_than_any_object_may_be() {
    const { assert!(MAX_LEAF_BYTES <= MAX_OBJECT_BYTES) };
    const { assert!(MAX_SETTINGS_BYTES <= MAX_OBJECT_BYTES) };
}
