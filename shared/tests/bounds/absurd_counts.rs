//! Counts that promise more than the bytes behind them can hold: refused without the memory.

use keyward_shared::settings::{MAX_METHODS, RouteAccess, Settings};
use keyward_shared::snapshot::{
    DecodeError, Head, Leaf, MAX_RECENT_ENTRIES, MAX_SETTINGS_BYTES, Node, RECORD_BYTES, decode_settings,
    encode_settings,
};

use super::tombstones;
use crate::fixtures::{
    DEPLOYMENT, HEAD_BODY_AT, OBJECT_HEADER_BYTES, STAMP, full_head, leaf_bytes, leaf_place, origin, route,
    sign_anyway, signing_key, trusted,
};

/// Much less than any of these counts would take.
const LITTLE: u64 = 64 * 1024;

fn little_memory(what: &str, refused: impl FnOnce() -> bool) {
    let mut outcome = false;
    let memory = allocation_counter::measure(|| outcome = refused());
    assert!(outcome, "{what}: must be refused");
    assert!(memory.bytes_max < LITTLE, "{what}: took {} bytes", memory.bytes_max);
}

#[test]
fn memory_is_measured() {
    let memory = allocation_counter::measure(|| drop(vec![1_u8; 100_000]));
    assert!(memory.bytes_max >= 100_000);
}

#[test]
fn of_policies_and_records_are_not_believed() {
    for (count, what) in [(u32::MAX, "policies"), (0x0100_0000, "policies, all indices")] {
        let mut leaf = leaf_bytes();
        leaf[OBJECT_HEADER_BYTES..OBJECT_HEADER_BYTES + 4].copy_from_slice(&count.to_be_bytes());
        little_memory(what, || Leaf::decode(leaf.into(), origin(), leaf_place()).is_err());
    }
    let mut leaf = leaf_bytes();
    let count_at = leaf.len() - 3 * RECORD_BYTES - 4;
    assert_eq!(leaf[count_at + 3], 3);
    leaf[count_at..count_at + 4].fill(0xff);
    little_memory("records", || Leaf::decode(leaf.into(), origin(), leaf_place()).is_err());
}

#[test]
fn of_children_are_not_believed() {
    for bits in [0, 7, 8, 255] {
        let mut node = leaf_bytes()[..OBJECT_HEADER_BYTES].to_vec();
        node[..4].copy_from_slice(b"KWND");
        node.push(bits);
        little_memory("children", || Node::decode(&node, origin(), leaf_place()).is_err());
    }
}

#[test]
fn of_routes_and_methods_are_not_believed() {
    let mut settings = Settings::default();
    let bytes = encode_settings(origin(), STAMP, &settings).expect("small");
    let mut routes = bytes.clone();
    let at = routes.len() - 2;
    routes[at..].fill(0xff);
    routes.resize(MAX_SETTINGS_BYTES, 0);
    little_memory("routes", || decode_settings(&routes, origin()).is_err());

    settings.routes.push(route(1, "/a", &[], RouteAccess::Read));
    let mut methods = encode_settings(origin(), STAMP, &settings).expect("small");
    methods.pop();
    methods.push(u8::try_from(MAX_METHODS + 1).expect("a byte"));
    methods.resize(MAX_SETTINGS_BYTES, 0);
    little_memory("methods", || decode_settings(&methods, origin()).is_err());
}

/// A head of tombstones ends with a policy count of zero, the entries' count, the entries.
fn body(recent: usize) -> Vec<u8> {
    let mut head = full_head();
    head.recent = tombstones(recent);
    let signed = head.sign(DEPLOYMENT, &signing_key()).expect("within bounds");
    signed.as_bytes()[HEAD_BODY_AT..].to_vec()
}

#[test]
fn in_a_head_are_not_believed() {
    let verify = |body: &[u8]| {
        let bytes = sign_anyway(body);
        move || Head::verify(&bytes, DEPLOYMENT, &trusted()).is_err()
    };
    let with = |at: usize, value: &[u8]| {
        let mut body = body(0);
        body[at..at + value.len()].copy_from_slice(value);
        body
    };
    let end = body(0).len();
    little_memory("policies", verify(&with(end - 6, &[0xff; 4])));
    little_memory("entries", verify(&with(end - 2, &[0xff; 2])));
    little_memory("entries, as many as there may be", verify(&with(end - 2, &[2, 0])));
    let checkpoint_at = 8 * 8 + 32 + 1;
    little_memory("checkpoint", verify(&with(checkpoint_at, &[0xff; 2])));
    let levels_at = checkpoint_at + 2 + full_head().checkpoint.len() + 8;
    assert_eq!(body(0)[levels_at], 2, "the count of levels");
    little_memory("levels", verify(&with(levels_at, &[0xff])));
    little_memory("bits", verify(&with(levels_at + 1, &[31])));
    // Names that are not there.
    little_memory("names", verify(&with(levels_at + 1, &[7, 7])));
}

#[test]
fn of_entries_beyond_512_are_not_read_even_when_they_are_there() {
    let mut body = body(MAX_RECENT_ENTRIES);
    let count_at = body.len() - MAX_RECENT_ENTRIES * 25 - 2;
    assert_eq!(body[count_at..count_at + 2], [2, 0]);
    body[count_at + 1] = 1;
    let last = body[body.len() - 25..].to_vec();
    body.extend(last);
    let end = body.len();
    body[end - 25..end - 9].fill(0xff);
    assert_eq!(
        Head::verify(&sign_anyway(&body), DEPLOYMENT, &trusted()),
        Err(DecodeError::Meaningless { what: "recent count" })
    );
}
