//! A leaf: a mebibyte, records in order and at their place.

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::policy::Policy;
use keyward_shared::snapshot::{DecodeError, EncodeError, Leaf, LeafBuilder, MAX_LEAF_BYTES, Place, RECORD_BYTES};

use super::sized_policy;
use crate::fixtures::{OBJECT_HEADER_BYTES, STAMP, fingerprint, leaf_bytes, leaf_place, origin, policy, record};

/// header, policy count, policy with its length, record count
const OVERHEAD: usize = OBJECT_HEADER_BYTES + 4 + 2 + 4;

fn filled(policy: &Policy, records: usize) -> Result<Vec<u8>, EncodeError> {
    let mut leaf = LeafBuilder::new(Place::ROOT);
    for number in 0..records {
        let mut bytes = [0; Fingerprint::LEN];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        leaf.push(Fingerprint::from_bytes(bytes), &record(), policy)?;
    }
    leaf.finish(origin(), STAMP)
}

#[test]
fn a_mebibyte_is_written_and_read_and_a_byte_more_is_not() {
    let records = (MAX_LEAF_BYTES - OVERHEAD - 100) / RECORD_BYTES;
    let policy_bytes = MAX_LEAF_BYTES - OVERHEAD - records * RECORD_BYTES;
    let mut bytes = filled(&sized_policy(policy_bytes), records).expect("just within");
    assert_eq!(bytes.len(), MAX_LEAF_BYTES);
    let leaf = Leaf::decode(bytes.clone().into(), origin(), Place::ROOT).expect("its bytes");
    assert_eq!(leaf.len(), records);
    assert_eq!(leaf.held_bytes(), MAX_LEAF_BYTES);

    assert_eq!(
        filled(&sized_policy(policy_bytes + 1), records),
        Err(EncodeError::TooLarge { what: "leaf bytes", got: MAX_LEAF_BYTES + 1, max: MAX_LEAF_BYTES })
    );
    bytes.push(0);
    assert_eq!(
        Leaf::decode(bytes.into(), origin(), Place::ROOT).err(),
        Some(DecodeError::TooLarge { got: MAX_LEAF_BYTES + 1, max: MAX_LEAF_BYTES })
    );
}

#[test]
fn records_come_in_order_once_and_at_their_place() {
    let place = leaf_place();
    let inside = |last| fingerprint(0xa0, last);
    for (first, second) in [
        (inside(1), inside(0)),
        (inside(1), inside(1)),
        (inside(1), fingerprint(0xc0, 0)),
        (fingerprint(0x80, 0), inside(1)),
    ] {
        let mut leaf = LeafBuilder::new(place);
        let both = leaf.push(first, &record(), &policy()).and_then(|()| leaf.push(second, &record(), &policy()));
        assert_eq!(both, Err(EncodeError::Order), "{first:?} before {second:?}");
    }
}

#[test]
fn records_out_of_order_or_place_are_not_read() {
    let bytes = leaf_bytes();
    let records = bytes.len() - 3 * RECORD_BYTES;
    let decode = |bytes: Vec<u8>| Leaf::decode(bytes.into(), origin(), leaf_place()).err();
    let meaningless = |what| Some(DecodeError::Meaningless { what });

    let mut swapped = bytes.clone();
    swapped[records..records + 2 * RECORD_BYTES].rotate_left(RECORD_BYTES);
    assert_eq!(decode(swapped), meaningless("record order"));
    let mut elsewhere = bytes.clone();
    elsewhere[records] = 0x9f;
    assert_eq!(decode(elsewhere), meaningless("record order"));
    let mut twice = bytes.clone();
    twice.copy_within(records..records + RECORD_BYTES, records + RECORD_BYTES);
    assert_eq!(decode(twice), meaningless("record order"));
    let mut policy = bytes.clone();
    policy[records + RECORD_BYTES - 2] = 2;
    assert_eq!(decode(policy), meaningless("record policy"));
    let mut flags = bytes.clone();
    flags[records + RECORD_BYTES - 1] = 16;
    assert_eq!(decode(flags), meaningless("record flags"));
    let mut fewer = bytes.clone();
    fewer.truncate(bytes.len() - RECORD_BYTES);
    assert_eq!(decode(fewer), meaningless("record count"));
    let mut more = bytes;
    more.extend([0xff; RECORD_BYTES]);
    assert_eq!(decode(more), meaningless("record count"));
}
