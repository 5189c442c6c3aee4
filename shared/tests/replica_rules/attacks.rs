//! The attacks that The Update Framework's specification (1.0, section 1.5.2) names, tried on heads and
//! objects as they come over a lane that nobody trusts.

use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{
    DecodeError, Head, HeadRefused, Lookup, MAX_CLOCK_AHEAD_MS, MAX_HEAD_BYTES, MAX_LEAF_BYTES, ObjectName, Replica,
    ReplicaOptions, SigningKey, TrustedKeys,
};

use super::{adopt, found, half, halves, head, leaf, left, load, need, replica, right, warm};
use crate::fixtures::{DEPLOYMENT, NOW_MS, pepper, record, signing_key, trusted};

/// A head as it comes over a lane.
fn signed(head: &Head, deployment: &str, key: &SigningKey) -> Vec<u8> {
    head.sign(deployment, key).expect("a sound head").into_bytes()
}

/// What an edge makes of such bytes.
fn read(bytes: &[u8]) -> Result<Head, DecodeError> {
    Head::verify(bytes, DEPLOYMENT, &trusted())
}

fn sound(generation: u64) -> Head {
    let leaves = halves(generation);
    head(generation, [&leaves[0], &leaves[1]])
}

#[test]
fn arbitrary_installation() {
    let thief = SigningKey::from_seed(&[66; 32]);
    assert_eq!(read(&signed(&sound(20), DEPLOYMENT, &thief)), Err(DecodeError::UntrustedKey));
    // With the id of a key that is trusted, and a signature by another.
    let mut forged = signed(&sound(20), DEPLOYMENT, &thief);
    let genuine = signed(&sound(20), DEPLOYMENT, &signing_key());
    forged[5..13].copy_from_slice(&genuine[5..13]);
    assert_eq!(read(&forged), Err(DecodeError::Signature));
    // Signed by the right key, for another deployment.
    assert_eq!(read(&signed(&sound(20), "another", &signing_key())), Err(DecodeError::Signature));
    // Genuine but for one bit, whichever it is.
    for bit in 0..genuine.len() * 8 {
        let mut flipped = genuine.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped).is_err(), "bit {bit}");
    }
    assert_eq!(read(&genuine), Ok(sound(20)));
}

#[test]
fn endless_data() {
    // What is too long is refused before anything of it is read.
    let mut endless = signed(&sound(20), DEPLOYMENT, &signing_key());
    endless.resize(MAX_HEAD_BYTES + 1, 0);
    assert!(matches!(read(&endless), Err(DecodeError::TooLarge { .. })));
    let mut replica = replica();
    adopt(&mut replica, sound(20));
    let wanted = need(&mut replica, &left(1));
    let mut endless = halves(20)[0].clone();
    endless.resize(MAX_LEAF_BYTES + 1, 0);
    assert!(matches!(replica.insert(&wanted, endless), Err(DecodeError::Name { .. })));
    assert_eq!(replica.held_bytes(), 0);
}

#[test]
fn fast_forward() {
    // With a stolen signing key: as far as generations go, which no true head comes after.
    let mut replica = warm();
    adopt(&mut replica, Head { generation: u64::MAX, narrowed_through: u64::MAX, ..sound(20) });
    let held = replica.order();
    let true_head = || sound(30);
    assert_eq!(replica.adopt(true_head(), Settings::default(), NOW_MS), Err(HeadRefused::Older));
    assert_eq!(replica.order(), held);
    // A raised epoch comes after all of them.
    adopt(&mut replica, Head { epoch: 3, ..true_head() });
    // And a far future is refused, so that no head outlives the time in which it would expire.
    let ahead = Head { epoch: 4, issued_at: NOW_MS + MAX_CLOCK_AHEAD_MS + 1, expires_at: u64::MAX, ..true_head() };
    let refused = replica.adopt(ahead, Settings::default(), NOW_MS);
    assert_eq!(refused, Err(HeadRefused::FromTheFuture { ahead_ms: MAX_CLOCK_AHEAD_MS + 1 }));
}

#[test]
fn fast_forward_past_a_pinned_epoch_does_not_undo_the_pin() {
    let pinned = |min_epoch| {
        let deployment = DEPLOYMENT.to_owned();
        Replica::new(ReplicaOptions { deployment, peppers: vec![pepper()], min_epoch, cache_bytes: usize::MAX })
    };
    let stolen = Head { generation: u64::MAX, narrowed_through: u64::MAX, ..sound(20) };
    assert_eq!(
        pinned(3).adopt(stolen, Settings::default(), NOW_MS),
        Err(HeadRefused::BelowPinnedEpoch { got: 2, pinned: 3 })
    );
}

#[test]
fn indefinite_freeze() {
    // The same head again and again is no newer one, and is not taken once it has expired.
    let mut replica = warm();
    let held = sound(10);
    for now_ms in [NOW_MS, NOW_MS + 1_000, held.expires_at - 1] {
        assert_eq!(replica.would_adopt(&held, now_ms), Ok(false));
    }
    assert_eq!(replica.would_adopt(&held, held.expires_at), Err(HeadRefused::Expired));
    // Nor can it be made to last: what says so is signed.
    let mut longer = signed(&held, DEPLOYMENT, &signing_key());
    let at = longer.windows(8).position(|bytes| bytes == held.expires_at.to_be_bytes()).expect("its expiry");
    longer[at..at + 8].copy_from_slice(&(held.expires_at + 86_400_000).to_be_bytes());
    assert_eq!(read(&longer), Err(DecodeError::Signature));
    assert!(found(&mut replica, &left(1)));
}

#[test]
fn mix_and_match() {
    let [left_leaf, right_leaf] = halves(20);
    let older = leaf(half(0), 10, &[(left(1), record())]);
    let mut replica = replica();
    adopt(&mut replica, head(20, [&left_leaf, &right_leaf]));
    let wanted = need(&mut replica, &left(1));
    // Genuine objects: of an older generation, of another place, of the other kind of bytes altogether.
    let of_a_head = signed(&sound(20), DEPLOYMENT, &signing_key());
    for other in [older, right_leaf, of_a_head] {
        let got = ObjectName::of(&other);
        assert_eq!(replica.insert(&wanted, other), Err(DecodeError::Name { expected: wanted.name, got }));
        assert_eq!(replica.lookup(&left(1), NOW_MS), Lookup::Need(wanted));
    }
    replica.insert(&wanted, left_leaf).expect("the one that is named");
    assert!(found(&mut replica, &left(1)));
}

#[test]
fn rollback() {
    let mut replica = warm();
    let without = leaf(half(0), 20, &[(left(2), record())]);
    let [_, right_leaf] = halves(10);
    let newer = head(20, [&without, &right_leaf]);
    adopt(&mut replica, newer.clone());
    load(&mut replica, &left(1), &without);
    assert!(!found(&mut replica, &left(1)));
    // Every head that was once true, and each way of being older.
    for older in [
        sound(10),
        Head { epoch: newer.epoch - 1, generation: 99, narrowed_through: 99, ..newer.clone() },
        Head { issued_at: newer.issued_at - 1, ..newer },
    ] {
        let refused = replica.adopt(older, Settings::default(), NOW_MS);
        assert!(matches!(refused, Err(HeadRefused::Older | HeadRefused::BelowPinnedEpoch { .. })), "{refused:?}");
        assert!(!found(&mut replica, &left(1)), "a key came back");
        assert!(found(&mut replica, &right()), "a key was lost");
    }
}

#[test]
fn malicious_mirrors() {
    // One lane lies, in every way, while another tells the truth: the truth is taken, at once.
    let mut replica = warm();
    let thief = SigningKey::from_seed(&[66; 32]);
    let genuine = signed(&sound(20), DEPLOYMENT, &signing_key());
    for lie in [Vec::new(), b"<html>".to_vec(), signed(&sound(99), DEPLOYMENT, &thief), genuine[..80].to_vec()] {
        assert!(read(&lie).is_err());
    }
    let replayed = read(&signed(&sound(9), DEPLOYMENT, &signing_key())).expect("once true");
    assert_eq!(replica.adopt(replayed, Settings::default(), NOW_MS), Err(HeadRefused::Older));
    adopt(&mut replica, read(&genuine).expect("the truth"));
}

#[test]
fn wrong_keys_after_a_replacement() {
    let keys: Vec<_> = (1..=5).map(|seed| SigningKey::from_seed(&[seed; 32])).collect();
    let trusting = |keys: &[SigningKey]| TrustedKeys::new(keys.iter().map(SigningKey::public).collect());
    // While keys are replaced, up to four are trusted; one that was struck off the list is not any more.
    let four = trusting(&keys[1..]).expect("four keys");
    for (key, is_trusted) in keys.iter().zip([false, true, true, true, true]) {
        let bytes = signed(&sound(20), DEPLOYMENT, key);
        let head = Head::verify(&bytes, DEPLOYMENT, &four);
        assert_eq!(head.is_ok(), is_trusted);
        assert!(is_trusted || head == Err(DecodeError::UntrustedKey));
    }
    assert!(trusting(&keys).is_none(), "five keys");
}
