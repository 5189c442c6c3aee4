//! The published vectors of RFC 6962's reference implementation, and the RFC's definitions, word by word,
//! beside ours.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// The leaves that the reference implementation is tested with
/// (<https://github.com/google/certificate-transparency>, `merkletree/merkle_tree_test.cc`).
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// The roots of the trees of the first 0, 1, … 8 of them.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const N01: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
const L1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const N23: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const N47: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const L4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const N67: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const N45: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";

fn hash(hex: &str) -> Hash {
    hex::decode(hex).expect("hexadecimal").try_into().expect("32 bytes")
}

fn reference() -> Vec<Hash> {
    LEAVES.iter().map(|data| leaf(&hex::decode(data).expect("hexadecimal"))).collect()
}

/// So many leaves that differ.
fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|number| leaf(&number.to_be_bytes())).collect()
}

/// MTH of RFC 9162, section 2.1.1.
fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(power_below(leaves.len()));
            node(&root_of(left), &root_of(right))
        }
    }
}

/// PATH of RFC 9162, section 2.1.3.1.
fn path_of(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(power_below(leaves.len()));
    let (mut path, other) =
        if index < left.len() { (path_of(index, left), right) } else { (path_of(index - left.len(), right), left) };
    path.push(root_of(other));
    path
}

/// SUBPROOF of RFC 9162, section 2.1.4.1.
fn subproof_of(from: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
    if from == leaves.len() {
        return if is_known { Vec::new() } else { vec![root_of(leaves)] };
    }
    let (left, right) = leaves.split_at(power_below(leaves.len()));
    let (mut proof, other) = if from <= left.len() {
        (subproof_of(from, left, is_known), right)
    } else {
        (subproof_of(from - left.len(), right, false), left)
    };
    proof.push(root_of(other));
    proof
}

fn power_below(size: usize) -> usize {
    size.next_power_of_two() / 2
}

/// A tree as a database keeps it: hashes by their places.
fn kept(leaves: &[Hash]) -> (Edge, HashMap<Place, Hash>) {
    let (mut edge, mut nodes) = (Edge::empty(), HashMap::new());
    for (index, leaf) in (0..).zip(leaves) {
        nodes.insert(Place::new(0, index), *leaf);
        edge.push(*leaf, |place, hash| assert_eq!(nodes.insert(place, hash), None, "{place:?} was made twice"));
    }
    (edge, nodes)
}

fn read(ranges: &[Leaves], nodes: &HashMap<Place, Hash>) -> Vec<Hash> {
    let of = |range: &Leaves| range.places().iter().map(|place| nodes[place]).collect::<Vec<_>>();
    ranges.iter().map(|range| fold(&of(range)).expect("a range has leaves")).collect()
}

#[test]
fn the_reference_vectors_hold() {
    assert_eq!(leaf(b"L123456"), hash("395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"));
    let inner = Sha256::new_with_prefix([1]).chain_update("N123").chain_update("N456").finalize();
    assert_eq!(Hash::from(inner), hash("aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"));
    let leaves = reference();
    for (size, root) in ROOTS.iter().enumerate() {
        assert_eq!(kept(&leaves[..size]).0.root(), hash(root), "{size}");
    }
    let (_, nodes) = kept(&leaves);
    for (index, size, proof) in [
        (0, 1, vec![]),
        (0, 8, vec![L1, N23, N47]),
        (5, 8, vec![L4, N67, ROOTS[4]]),
        (2, 3, vec![N01]),
        (1, 5, vec![ROOTS[1], N23, L4]),
    ] {
        let proof: Vec<Hash> = proof.into_iter().map(hash).collect();
        assert_eq!(read(&inclusion(index, size).expect("a proof"), &nodes), proof, "{index} in {size}");
        let place = usize::try_from(index).expect("small");
        let root = hash(ROOTS[usize::try_from(size).expect("small")]);
        assert!(verify_inclusion(index, size, &leaves[place], &proof, &root));
    }
    for (from, to, proof) in
        [(1, 1, vec![]), (1, 8, vec![L1, N23, N47]), (6, 8, vec![N45, N67, ROOTS[4]]), (2, 5, vec![N23, L4])]
    {
        let proof: Vec<Hash> = proof.into_iter().map(hash).collect();
        assert_eq!(read(&consistency(from, to).expect("a proof"), &nodes), proof, "{from} to {to}");
        let root = |size: u64| hash(ROOTS[usize::try_from(size).expect("small")]);
        assert!(verify_consistency(from, to, &root(from), &root(to), &proof));
    }
}

#[test]
fn every_tree_and_every_proof_is_what_the_rfc_defines() {
    let leaves = leaves(70);
    let (_, nodes) = kept(&leaves);
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        let (edge, _) = kept(tree);
        let root = root_of(tree);
        assert_eq!(edge.root(), root);
        let places = peaks(size as u64);
        let hashes: Vec<Hash> = places.iter().map(|place| nodes[place]).collect();
        assert_eq!(Edge::new(size as u64, hashes), Some(edge));
        for (index, leaf) in tree.iter().enumerate() {
            let proof = read(&inclusion(index as u64, size as u64).expect("a proof"), &nodes);
            assert_eq!(proof, path_of(index, tree), "{index} in {size}");
            assert!(verify_inclusion(index as u64, size as u64, leaf, &proof, &root));
        }
        for from in 1..=size {
            let proof = read(&consistency(from as u64, size as u64).expect("a proof"), &nodes);
            assert_eq!(proof, subproof_of(from, tree, true), "{from} to {size}");
            assert!(verify_consistency(from as u64, size as u64, &root_of(&tree[..from]), &root, &proof));
        }
    }
}

#[test]
fn what_is_not_in_a_tree_has_no_proof() {
    for (index, size) in [(0, 0), (1, 1), (8, 8), (u64::MAX, 8)] {
        assert_eq!(inclusion(index, size), None);
        assert!(!verify_inclusion(index, size, &leaf(b""), &[], &leaf(b"")));
    }
    for (from, to) in [(0, 0), (0, 8), (9, 8)] {
        assert_eq!(consistency(from, to), None);
        assert!(!verify_consistency(from, to, &empty_root(), &empty_root(), &[]));
    }
    assert_eq!(Edge::new(3, vec![leaf(b"")]), None);
}

#[test]
fn a_place_says_which_subtree_it_is() {
    for level in 0..8 {
        for index in 0..100 {
            let place = Place::new(level, index);
            assert_eq!(place.level(), level);
            if level > 0 {
                let (left, right) = (Place::new(level - 1, 2 * index), Place::new(level - 1, 2 * index + 1));
                assert!(left < place && place < right && right.0 - place.0 == place.0 - left.0);
            }
        }
    }
}

/// What somebody can do to a proof.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Flip(usize),
    Drop(usize),
    Repeat(usize),
    Swap(usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = 0..10_000_usize;
    prop_oneof![
        at.clone().prop_map(Harm::Flip),
        at.clone().prop_map(Harm::Drop),
        at.clone().prop_map(Harm::Repeat),
        at.prop_map(Harm::Swap),
    ]
}

fn harmed(proof: &[Hash], harm: Harm) -> Option<Vec<Hash>> {
    let mut other = proof.to_vec();
    let length = proof.len();
    match harm {
        Harm::Flip(at) if length > 0 => other[at % length][at / length % 32] ^= 1 << (at % 8),
        Harm::Drop(at) if length > 0 => drop(other.remove(at % length)),
        Harm::Repeat(at) if length > 0 => other.insert(at % length, proof[at % length]),
        Harm::Swap(at) if length > 1 => other.swap(at % length, (at + 1) % length),
        _ => return None,
    }
    (other != proof).then_some(other)
}

proptest! {
    #[test]
    fn no_other_proof_leaf_place_or_tree_is_taken(size in 1..300_u64, at in any::<u64>(), harm in harm()) {
        let leaves = leaves(size);
        let (edge, nodes) = kept(&leaves);
        let (index, root) = (at % size, edge.root());
        let place = usize::try_from(index).expect("small");
        let proof = read(&inclusion(index, size).expect("a proof"), &nodes);
        let mine = leaves[place];
        prop_assert!(verify_inclusion(index, size, &mine, &proof, &root));
        prop_assert!(!verify_inclusion(index, size, &leaf(b"another"), &proof, &root));
        prop_assert!(!verify_inclusion(index, size, &mine, &proof, &leaf(b"another")));
        prop_assert!(!verify_inclusion(index ^ 1, size, &mine, &proof, &root));
        let from = index + 1;
        let older = root_of(&leaves[..=place]);
        let growth = read(&consistency(from, size).expect("a proof"), &nodes);
        prop_assert!(verify_consistency(from, size, &older, &root, &growth));
        prop_assert!(!verify_consistency(from, size, &leaf(b"another"), &root, &growth));
        prop_assert!(!verify_consistency(from, size, &older, &leaf(b"another"), &growth));
        if let Some(other) = harmed(&proof, harm) {
            prop_assert!(!verify_inclusion(index, size, &mine, &other, &root));
        }
        if let Some(other) = harmed(&growth, harm) {
            prop_assert!(!verify_consistency(from, size, &older, &root, &other));
        }
    }

    #[test]
    fn proofs_of_the_largest_trees_are_short_and_whole(size in 1..1_u64 << 40, at in any::<u64>()) {
        let index = at % size;
        let path = inclusion(index, size).expect("a proof");
        prop_assert!(path.len() <= 40);
        let covered: u64 = path.iter().map(|range| range.end - range.begin).sum();
        prop_assert_eq!(covered, size - 1);
        for range in path {
            let leaves: u64 = range.places().iter().map(|place| 1_u64 << place.level()).sum();
            prop_assert_eq!(leaves, range.end - range.begin);
        }
    }
}
