//! Which heads a replica takes, and what it takes along with them.

use keyward_shared::fingerprint::Pepper;
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{Head, HeadRefused, Lookup, MAX_CLOCK_AHEAD_MS, Shape};

use super::{adopt, halves, head, left, replica};
use crate::fixtures::{NOW_MS, full_head, full_settings};

#[test]
fn go_forward_only_in_epoch_generation_and_time() {
    let leaves = halves(1);
    let ordered =
        |epoch, generation, issued_at| Head { epoch, issued_at, ..head(generation, [&leaves[0], &leaves[1]]) };
    let mut replica = replica();
    adopt(&mut replica, ordered(3, 5, NOW_MS + 5));
    for (epoch, generation, issued_at) in [(2, 9, NOW_MS + 9), (3, 4, NOW_MS + 9), (3, 5, NOW_MS + 4)] {
        assert_eq!(
            replica.adopt(ordered(epoch, generation, issued_at), Settings::default(), NOW_MS),
            Err(HeadRefused::Older)
        );
    }
    let same = replica.adopt(ordered(3, 5, NOW_MS + 5), Settings::default(), NOW_MS);
    assert_eq!(same, Ok(false));
    adopt(&mut replica, ordered(3, 5, NOW_MS + 6));
    adopt(&mut replica, ordered(3, 6, NOW_MS));
    adopt(&mut replica, ordered(4, 1, NOW_MS));
    let order = replica.order().expect("a head");
    assert_eq!((order.epoch, order.generation), (4, 1));
}

#[test]
fn of_a_low_epoch_the_future_the_past_or_a_strange_pepper_are_refused() {
    let leaves = halves(1);
    let sound = || head(1, [&leaves[0], &leaves[1]]);
    let replica = replica();
    let refused = |head: Head, now_ms| replica.would_adopt(&head, now_ms);
    assert_eq!(refused(Head { epoch: 1, ..sound() }, NOW_MS), Err(HeadRefused::BelowPinnedEpoch { got: 1, pinned: 2 }));
    let ahead = |ms| Head { issued_at: NOW_MS + ms, ..sound() };
    assert_eq!(refused(ahead(MAX_CLOCK_AHEAD_MS), NOW_MS), Ok(true));
    assert_eq!(
        refused(ahead(MAX_CLOCK_AHEAD_MS + 1), NOW_MS),
        Err(HeadRefused::FromTheFuture { ahead_ms: MAX_CLOCK_AHEAD_MS + 1 })
    );
    let expires_at = sound().expires_at;
    assert_eq!(refused(sound(), expires_at - 1), Ok(true));
    assert_eq!(refused(sound(), expires_at), Err(HeadRefused::Expired));
    let mut strange = sound();
    strange.tree.pepper = Pepper::new([99; 32]).id();
    assert_eq!(refused(strange.clone(), NOW_MS), Err(HeadRefused::UnknownPepper { pepper: strange.tree.pepper }));
}

#[test]
fn bring_their_settings_and_routes_along() {
    let mut replica = replica();
    assert_eq!(replica.settings(), &Settings::default());
    let mut first = full_head();
    first.tree.shape = Shape::new(vec![1]).expect("a shape");
    replica.adopt(first, full_settings(), NOW_MS).expect("a sound head");
    assert_eq!(replica.settings(), &full_settings());
    let target = replica.routes().resolve("GET", "/open/x", false);
    assert_eq!(target.expect("a good path").needs, None);
    let refused = Head { generation: 1, ..full_head() };
    assert!(replica.adopt(refused, Settings::default(), NOW_MS).is_err());
    assert_eq!(replica.settings(), &full_settings(), "as of the head held");
}

#[test]
fn are_none_at_first() {
    let mut replica = replica();
    assert_eq!(replica.lookup(&left(1), NOW_MS), Lookup::NoHead);
    assert!(replica.head().is_none() && replica.pepper().is_none());
}
