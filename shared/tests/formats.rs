//! Every format: what was written is read; what was spoiled is an error or a value that is written
//! as those very bytes; nothing takes more memory than its bytes justify.

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::policy::Policy;
use keyward_shared::record::Record;
use keyward_shared::snapshot::{
    DecodeError, Head, Leaf, LeafBuilder, MAX_LEVEL_BITS, Node, ObjectName, Place, Stamp, decode_settings,
    encode_settings,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{self, spoil, spoils};
use crate::fixtures::{
    DEPLOYMENT, HEAD_BODY_AT, OBJECT_HEADER_BYTES, PLACE_AT, STAMP, full_head, full_policy, full_settings, leaf_bytes,
    leaf_place, name, origin, sign_anyway, signing_key, stamp_of, trusted,
};

/// A policy of two bytes more can hold a string of 24; lists double while they grow.
const MEMORY_FACTOR: u64 = 128;
const MEMORY_FLOOR: u64 = 16 * 1024;

/// Runs `decode` and fails when it needs memory out of proportion to `bytes`.
fn within_memory<T>(bytes: &[u8], decode: impl FnOnce() -> T) -> T {
    let mut result = None;
    let memory = allocation_counter::measure(|| result = Some(decode()));
    let most = MEMORY_FLOOR + MEMORY_FACTOR * bytes.len() as u64;
    assert!(memory.bytes_max <= most, "{} bytes made it take {} bytes", bytes.len(), memory.bytes_max);
    result.expect("it ran")
}

fn node_bytes(place: Place, stamp: Stamp, bits: u8, children: &[ObjectName]) -> Vec<u8> {
    Node::encode(origin(), place, stamp, bits, children).expect("as many names as places")
}

/// Bits of the deepest place.
const DEEPEST: u8 = 28;

type Row = (Fingerprint, Record, Policy);

fn encoded_leaf(place: Place, stamp: Stamp, rows: &[Row]) -> Vec<u8> {
    let mut builder = LeafBuilder::new(place);
    for (fingerprint, record, policy) in rows {
        builder.push(*fingerprint, record, policy).expect("in order, within the place");
    }
    builder.finish(origin(), stamp).expect("small")
}

fn rows(leaf: &Leaf) -> Vec<Row> {
    leaf.records().map(|(fingerprint, record, policy)| (fingerprint, record, policy.to_policy())).collect()
}

fn decode_leaf(bytes: &[u8], place: Place) -> Result<Leaf, DecodeError> {
    Leaf::decode(bytes.into(), origin(), place)
}

proptest! {
    #[test]
    fn a_policy_is_read_as_it_was_written(policy in arbitrary::policy()) {
        let bytes = policy.encode().expect("within bounds");
        prop_assert_eq!(Policy::decode(&bytes), Ok(policy));
    }

    #[test]
    fn settings_are_read_as_they_were_written(settings in arbitrary::settings(), stamp in arbitrary::stamp()) {
        let bytes = encode_settings(origin(), stamp, &settings).expect("within bounds");
        prop_assert_eq!(decode_settings(&bytes, origin()), Ok(settings));
    }

    #[test]
    fn a_node_is_read_as_it_was_written(
        ((place, fingerprints), (bits, children)) in arbitrary::place_and_fingerprints()
            .prop_filter("a place with room below", |(place, _)| place.depth < DEEPEST)
            .prop_flat_map(|at| (1..=MAX_LEVEL_BITS.min(DEEPEST - at.0.depth), Just(at)))
            .prop_flat_map(|(bits, at)| (Just(at), (Just(bits), vec(arbitrary::name(), 1_usize << bits)))),
        stamp in arbitrary::stamp(),
    ) {
        let bytes = node_bytes(place, stamp, bits, &children);
        let node = Node::decode(&bytes, origin(), place).expect("its own bytes");
        prop_assert_eq!(node.children(), &children[..]);
        prop_assert_eq!((node.bits(), node.stamp()), (bits, stamp));
        for fingerprint in fingerprints {
            let (below, child) = node.child_towards(&fingerprint).expect("a child");
            prop_assert!(below.covers(&fingerprint));
            prop_assert_eq!(below.depth, place.depth + bits);
            let index = (below.prefix - (place.prefix << bits)) as usize;
            prop_assert_eq!(child, children[index]);
        }
    }

    #[test]
    fn a_leaf_is_read_as_it_was_written(
        (place, fingerprints) in arbitrary::place_and_fingerprints(),
        states in vec((arbitrary::record(), 0_usize..4), 40),
        policies in vec(arbitrary::policy(), 4),
        stamp in arbitrary::stamp(),
        absent in arbitrary::fingerprint(),
    ) {
        let written: Vec<Row> = fingerprints
            .into_iter()
            .zip(states)
            .map(|(fingerprint, (record, policy))| (fingerprint, record, policies[policy].clone()))
            .collect();
        let bytes = encoded_leaf(place, stamp, &written);
        let leaf = decode_leaf(&bytes, place).expect("its own bytes");
        prop_assert_eq!(rows(&leaf), written.clone());
        prop_assert_eq!((leaf.len(), leaf.is_empty()), (written.len(), written.is_empty()));
        prop_assert_eq!(leaf.stamp(), stamp);
        for (fingerprint, record, policy) in &written {
            prop_assert_eq!(leaf.find(fingerprint), Some((*record, policy.into())));
        }
        if written.iter().all(|(fingerprint, ..)| *fingerprint != absent) {
            prop_assert_eq!(leaf.find(&absent), None);
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_signed(head in arbitrary::head()) {
        let signed = head.sign(DEPLOYMENT, &signing_key()).expect("within bounds");
        let verified = Head::verify(signed.as_bytes(), DEPLOYMENT, &trusted());
        prop_assert_eq!(verified, Ok(head.clone()));
        for entry in &head.recent {
            prop_assert_eq!(head.recent_entry(&entry.fingerprint), Some(entry));
        }
    }

    #[test]
    fn a_spoiled_policy_is_an_error_or_what_its_bytes_say(policy in arbitrary::policy(), spoils in spoils()) {
        let bytes = spoil(&policy.encode().expect("within bounds"), &spoils);
        if let Ok(policy) = within_memory(&bytes, || Policy::decode(&bytes)) {
            prop_assert_eq!(policy.encode(), Ok(bytes));
        }
    }

    #[test]
    fn spoiled_settings_are_an_error_or_what_their_bytes_say(settings in arbitrary::settings(), spoils in spoils()) {
        let bytes = encode_settings(origin(), STAMP, &settings).expect("within bounds");
        let bytes = spoil(&bytes, &spoils);
        if let Ok(settings) = within_memory(&bytes, || decode_settings(&bytes, origin())) {
            prop_assert_eq!(encode_settings(origin(), stamp_of(&bytes), &settings), Ok(bytes));
        }
    }

    #[test]
    fn a_spoiled_node_is_an_error_or_what_its_bytes_say(bits in 1..=4_u8, spoils in spoils()) {
        let place = Place { depth: 3, prefix: 5 };
        let children: Vec<_> = (0..1 << bits).map(name).collect();
        let bytes = spoil(&node_bytes(place, STAMP, bits, &children), &spoils);
        if let Ok(node) = within_memory(&bytes, || Node::decode(&bytes, origin(), place)) {
            prop_assert_eq!(node_bytes(place, node.stamp(), node.bits(), node.children()), bytes);
        }
    }

    #[test]
    fn a_spoiled_leaf_is_an_error_or_a_leaf_in_order(
        (place, fingerprints) in arbitrary::place_and_fingerprints(),
        states in vec((arbitrary::record(), arbitrary::policy()), 6),
        spoils in spoils(),
    ) {
        let written: Vec<Row> = fingerprints
            .into_iter()
            .zip(states)
            .map(|(fingerprint, (record, policy))| (fingerprint, record, policy))
            .collect();
        let bytes = spoil(&encoded_leaf(place, STAMP, &written), &spoils);
        if let Ok(leaf) = within_memory(&bytes, || decode_leaf(&bytes, place)) {
            let rows = rows(&leaf);
            prop_assert_eq!(rows.len(), leaf.len());
            // What it says can be written, in that order and at that place, and is read the same.
            let again = encoded_leaf(place, leaf.stamp(), &rows);
            let again = decode_leaf(&again, place).expect("its own bytes");
            prop_assert_eq!(self::rows(&again), rows);
        }
    }

    #[test]
    fn a_spoiled_head_is_an_error(head in arbitrary::head(), spoils in spoils()) {
        let signed = head.sign(DEPLOYMENT, &signing_key()).expect("within bounds").into_bytes();
        let bytes = spoil(&signed, &spoils);
        let verified = within_memory(&bytes, || Head::verify(&bytes, DEPLOYMENT, &trusted()));
        if bytes == signed {
            prop_assert_eq!(verified, Ok(head));
        } else {
            prop_assert!(verified.is_err());
        }
    }

    /// What only who holds the signing key could do: a sound signature over a senseless body.
    #[test]
    fn a_spoiled_body_under_a_sound_signature_is_an_error_or_a_head_that_could_be_signed(
        head in arbitrary::head(),
        spoils in spoils(),
    ) {
        let signed = head.sign(DEPLOYMENT, &signing_key()).expect("within bounds").into_bytes();
        let bytes = sign_anyway(&spoil(&signed[HEAD_BODY_AT..], &spoils));
        if let Ok(head) = within_memory(&bytes, || Head::verify(&bytes, DEPLOYMENT, &trusted())) {
            let again = head.sign(DEPLOYMENT, &signing_key()).expect("what is read can be signed");
            prop_assert_eq!(Head::verify(again.as_bytes(), DEPLOYMENT, &trusted()), Ok(head));
        }
    }

    #[test]
    fn random_bytes_are_an_error(bytes in vec(any::<u8>(), 0..400)) {
        let place = leaf_place();
        prop_assert!(within_memory(&bytes, || Head::verify(&bytes, DEPLOYMENT, &trusted())).is_err());
        prop_assert!(within_memory(&bytes, || decode_settings(&bytes, origin())).is_err());
        prop_assert!(within_memory(&bytes, || Node::decode(&bytes, origin(), place)).is_err());
        prop_assert!(within_memory(&bytes, || decode_leaf(&bytes, place)).is_err());
        if let Ok(policy) = within_memory(&bytes, || Policy::decode(&bytes)) {
            prop_assert_eq!(policy.encode(), Ok(bytes));
        }
    }

    /// Random bytes behind a sound beginning reach further than random bytes.
    #[test]
    fn random_bytes_behind_a_sound_header_never_panic(bytes in vec(any::<u8>(), 0..400), small in vec(0_u8..4, 0..200)) {
        let header = &leaf_bytes()[..OBJECT_HEADER_BYTES];
        for tail in [bytes, small] {
            for kind in [b"KWLF", b"KWND", b"KWST"] {
                let mut object = [header, &tail].concat();
                object[..4].copy_from_slice(kind);
                let _ = within_memory(&object, || decode_leaf(&object, leaf_place()));
                let _ = within_memory(&object, || Node::decode(&object, origin(), leaf_place()));
                object[PLACE_AT..PLACE_AT + 5].fill(0);
                let _ = within_memory(&object, || decode_settings(&object, origin()));
            }
            let head = sign_anyway(&tail);
            let _ = within_memory(&head, || Head::verify(&head, DEPLOYMENT, &trusted()));
        }
    }
}

#[test]
fn each_flipped_bit_of_the_golden_values_is_noticed_by_name_or_signature() {
    let signed = full_head().sign(DEPLOYMENT, &signing_key()).expect("within bounds").into_bytes();
    for at in 0..signed.len() {
        let mut bytes = signed.clone();
        bytes[at] ^= 8;
        assert!(Head::verify(&bytes, DEPLOYMENT, &trusted()).is_err(), "byte {at}");
    }
    let leaf = leaf_bytes();
    for at in 0..leaf.len() {
        let mut bytes = leaf.clone();
        bytes[at] ^= 8;
        assert_ne!(ObjectName::of(&bytes), ObjectName::of(&leaf), "byte {at}");
        let _ = decode_leaf(&bytes, leaf_place());
    }
}

#[test]
fn each_cut_of_the_golden_values_is_an_error() {
    let policy = full_policy().encode().expect("within bounds");
    let settings = encode_settings(origin(), STAMP, &full_settings()).expect("within bounds");
    let leaf = leaf_bytes();
    let place = Place::ROOT;
    let node = node_bytes(place, STAMP, 1, &[name(1), name(2)]);
    let head = full_head().sign(DEPLOYMENT, &signing_key()).expect("within bounds").into_bytes();
    for end in 0..policy.len() {
        assert!(Policy::decode(&policy[..end]).is_err(), "policy to {end}");
    }
    for end in 0..settings.len() {
        assert!(decode_settings(&settings[..end], origin()).is_err(), "settings to {end}");
    }
    for end in 0..leaf.len() {
        assert!(decode_leaf(&leaf[..end], leaf_place()).is_err(), "leaf to {end}");
    }
    for end in 0..node.len() {
        assert!(Node::decode(&node[..end], origin(), place).is_err(), "node to {end}");
    }
    for end in HEAD_BODY_AT..head.len() {
        let cut = sign_anyway(&head[HEAD_BODY_AT..end]);
        assert!(Head::verify(&cut, DEPLOYMENT, &trusted()).is_err(), "head to {end}");
    }
}
