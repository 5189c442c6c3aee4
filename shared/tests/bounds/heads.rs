//! A head: 64 KiB, 512 entries and 48 KiB of `recent`, numbers that agree, a trusted signature.

use keyward_shared::id::WorkspaceId;
use keyward_shared::snapshot::{
    DecodeError, EncodeError, Head, MAX_HEAD_BYTES, MAX_LEVELS, MAX_RECENT_BYTES, MAX_RECENT_ENTRIES, MAX_TRUSTED_KEYS,
    PublicKey, RecentEntry, Shape, SigningKey, Tree, TrustedKeys,
};
use proptest::prelude::*;

use super::{sized_policy, tombstones};
use crate::arbitrary;
use crate::fixtures::{
    DEPLOYMENT, HEAD_BODY_AT, full_head, name, origin, policy, record, sign_anyway, signing_key, trusted,
};

type Change = fn(&mut Head, u64);

fn sign(change: impl FnOnce(&mut Head)) -> Result<Vec<u8>, EncodeError> {
    let mut head = full_head();
    change(&mut head);
    let signed = head.sign(DEPLOYMENT, &signing_key())?;
    assert_eq!(Head::verify(signed.as_bytes(), DEPLOYMENT, &trusted()), Ok(head));
    Ok(signed.into_bytes())
}

#[test]
fn more_than_64_kib_are_not_looked_at() {
    let bytes = vec![0; MAX_HEAD_BYTES + 1];
    assert_eq!(
        Head::verify(&bytes, DEPLOYMENT, &trusted()),
        Err(DecodeError::TooLarge { got: MAX_HEAD_BYTES + 1, max: MAX_HEAD_BYTES })
    );
    assert_ne!(
        Head::verify(&bytes[1..], DEPLOYMENT, &trusted()),
        Err(DecodeError::TooLarge { got: MAX_HEAD_BYTES, max: MAX_HEAD_BYTES })
    );
}

#[test]
fn the_largest_of_everything_fits_into_64_kib() {
    let tree = || Tree {
        shape: Shape::new(vec![7; MAX_LEVELS]).expect("a shape"),
        pepper: origin().pepper,
        top: vec![name(1); 128],
    };
    let bytes = sign(|head| {
        head.tree = tree();
        head.next = Some(tree());
        head.checkpoint = vec![1; 1024];
        head.recent = large_entries(MAX_RECENT_BYTES);
    });
    assert!(bytes.expect("within bounds").len() <= MAX_HEAD_BYTES);
}

/// Entries that take `bytes` of a head, most of it their policies.
fn large_entries(bytes: usize) -> Vec<RecentEntry> {
    const ENTRY: usize = 25 + 24 + 2;
    const POLICY: usize = 1000;
    let count = (bytes - 200) / (ENTRY + POLICY);
    let last = bytes - (2 + 4) - count * (ENTRY + POLICY) - ENTRY;
    let mut entries = tombstones(count + 1);
    for (number, entry) in entries.iter_mut().enumerate() {
        let mut own = sized_policy(if number == count { last } else { POLICY });
        own.workspace = WorkspaceId::from_u64(number as u64);
        entry.state = Some((record(), own));
    }
    assert_eq!(Head::recent_bytes(&entries), Ok(bytes));
    entries
}

#[test]
fn recent_has_at_most_512_entries() {
    assert!(sign(|head| head.recent = tombstones(MAX_RECENT_ENTRIES)).is_ok());
    assert_eq!(
        sign(|head| head.recent = tombstones(MAX_RECENT_ENTRIES + 1)),
        Err(EncodeError::TooLarge { what: "recent entries", got: MAX_RECENT_ENTRIES + 1, max: MAX_RECENT_ENTRIES })
    );
}

#[test]
fn recent_has_at_most_48_kib() {
    assert!(sign(|head| head.recent = large_entries(MAX_RECENT_BYTES)).is_ok());
    assert_eq!(
        sign(|head| head.recent = large_entries(MAX_RECENT_BYTES + 1)),
        Err(EncodeError::TooLarge { what: "recent bytes", got: MAX_RECENT_BYTES + 1, max: MAX_RECENT_BYTES })
    );
}

#[test]
fn a_recent_of_more_than_48_kib_is_not_read() {
    let signed = sign(|head| {
        head.checkpoint.clear();
        head.recent = large_entries(MAX_RECENT_BYTES);
    });
    let mut body = signed.expect("within bounds")[HEAD_BODY_AT..].to_vec();
    // One policy more, which no entry uses.
    let policies_at = body.len() - MAX_RECENT_BYTES;
    body[policies_at + 3] += 1;
    let unused = policy().encode().expect("small");
    let unused = [&[0, 22], &unused[..]].concat();
    body.splice(policies_at + 4..policies_at + 4, unused);
    // Every index moves by one.
    let entries_at = body.len() - usize::from(body[policies_at + 3] - 1) * 49;
    for entry in body[entries_at..].chunks_exact_mut(49) {
        entry[47] += 1;
    }
    assert_eq!(
        Head::verify(&sign_anyway(&body), DEPLOYMENT, &trusted()),
        Err(DecodeError::Meaningless { what: "recent size" })
    );
}

#[test]
fn the_checkpoint_has_at_most_a_kibibyte() {
    assert!(sign(|head| head.checkpoint = vec![1; 1024]).is_ok());
    for length in [1025, 70_000] {
        let refused = sign(|head| head.checkpoint = vec![1; length]);
        assert!(matches!(refused, Err(EncodeError::TooLarge { got, max: 1024, .. }) if got == length));
    }
}

/// What contradicts itself is refused by who signs, and by who reads a head that was signed
/// all the same. Offsets are of the body: eight numbers of eight bytes.
#[test]
fn what_contradicts_itself_is_neither_signed_nor_read() {
    let sound = full_head().sign(DEPLOYMENT, &signing_key()).expect("sound").into_bytes();
    let read = |at: usize, number: u64| {
        let mut body = sound[HEAD_BODY_AT..].to_vec();
        body[at..at + 8].copy_from_slice(&number.to_be_bytes());
        Head::verify(&sign_anyway(&body), DEPLOYMENT, &trusted()).err()
    };
    let cases: [(usize, u64, Change, &str); 8] = [
        (8, 109, |head, n| head.generation = n, "generations"),
        (8, 126, |head, n| head.generation = n, "generations"),
        (24, full_head().issued_at, |head, n| head.expires_at = n, "times"),
        (32, 99, |head, n| head.tree_generation = n, "generations"),
        (32, 121, |head, n| head.tree_generation = n, "generations"),
        (40, 111, |head, n| head.recent_since = n, "generations"),
        (48, 101, |head, n| head.narrowed_since = n, "generations"),
        (56, 124, |head, n| head.narrowed_through = n, "recent generations"),
    ];
    for (at, number, change, what) in cases {
        assert_eq!(sign(|head| change(head, number)), Err(EncodeError::Contradiction { what }), "{what} at {at}");
        assert_eq!(read(at, number), Some(DecodeError::Meaningless { what }), "{what} at {at}");
    }
    let contradiction = |what| Err(EncodeError::Contradiction { what });
    assert_eq!(sign(|head| head.recent.swap(0, 1)), contradiction("recent order"));
    assert_eq!(sign(|head| head.recent[1].fingerprint = head.recent[0].fingerprint), contradiction("recent order"));
    assert_eq!(sign(|head| head.tree.top.truncate(1)), contradiction("tree top"));
    assert_eq!(sign(|head| head.next.iter_mut().for_each(|next| next.top.push(name(1)))), contradiction("tree top"));
}

#[test]
fn only_trusted_keys_and_this_deployment_count() {
    let signed = full_head().sign(DEPLOYMENT, &signing_key()).expect("within bounds");
    let keys: Vec<_> = (0..=MAX_TRUSTED_KEYS)
        .map(|seed| SigningKey::from_seed(&[u8::try_from(seed).expect("small"); 32]).public())
        .collect();
    let strangers = TrustedKeys::new(keys[1..].to_vec()).expect("four keys");
    assert_eq!(Head::verify(signed.as_bytes(), DEPLOYMENT, &strangers), Err(DecodeError::UntrustedKey));
    let among = [&keys[2..], &[signing_key().public()]].concat();
    let among = TrustedKeys::new(among).expect("four keys");
    assert_eq!(Head::verify(signed.as_bytes(), DEPLOYMENT, &among), Ok(full_head()));
    for other in ["", "tes", "test2", "TEST"] {
        assert_eq!(Head::verify(signed.as_bytes(), other, &trusted()), Err(DecodeError::Signature), "{other}");
    }
    assert!(TrustedKeys::new(Vec::new()).is_none());
    assert!(TrustedKeys::new(keys).is_none(), "five");
}

#[test]
fn keys_that_any_signature_fits_are_no_public_keys() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert!(PublicKey::from_bytes(&identity).is_none());
    assert!(PublicKey::from_bytes(&[0; 32]).is_none(), "of order four");
    assert!(PublicKey::from_bytes(&[2; 32]).is_none(), "no point");
    let sound = signing_key().public();
    assert_eq!(PublicKey::from_bytes(&sound.to_bytes()), Some(sound));
}

proptest! {
    #[test]
    fn the_size_of_recent_is_known_before_it_is_signed(head in arbitrary::head()) {
        let with = head.sign(DEPLOYMENT, &signing_key()).expect("within bounds");
        let bytes = Head::recent_bytes(&head.recent).expect("policies within bounds");
        let empty = Head { recent: Vec::new(), ..head };
        let without = empty.sign(DEPLOYMENT, &signing_key()).expect("within bounds");
        prop_assert_eq!(with.as_bytes().len() - without.as_bytes().len() + 6, bytes);
    }
}
