//! Rotations as the database holds them.

use keyward_control_plane::domain::key::transition::KeyRefusal;
use keyward_control_plane::lifecycle::{
    CancelRotation, DisableKey, EnableKey, ExtendRotation, ExtendTo, FinishRotation, KeyRef, PauseRotation, Refusal,
    ResumeRotation, RotateKey, RotatedKey,
};
use keyward_shared::fingerprint::Fingerprint;

use crate::house::{House, fingerprint};

struct Rotating {
    house: House,
    target: KeyRef,
    old: Fingerprint,
    new: Fingerprint,
    /// Deadline of the old secret, in seconds.
    until: i64,
}

/// A key in rotation with ten minutes of grace.
async fn rotating() -> Rotating {
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let (target, old) = house.key(workspace.id, "build").await;
    let rotated = rotate(&house, target, 600).await.expect("rotated");
    let until = house.now().as_millis() / 1000 + 600;
    assert_eq!(rotated.previous_valid_until.map(|until| i64::from(until.as_seconds())), Some(until));
    let (old, new) = (fingerprint(&old), fingerprint(&rotated.secret));
    Rotating { house, target, old, new, until }
}

async fn rotate(house: &House, target: KeyRef, grace_seconds: u64) -> Result<RotatedKey, Refusal> {
    house.run(RotateKey { target, grace_seconds }).await
}

fn sorted(mut touched: Vec<(Option<Fingerprint>, bool)>) -> Vec<(Option<Fingerprint>, bool)> {
    touched.sort_unstable();
    touched
}

#[tokio::test]
async fn rotate_moves_the_old_secret_to_the_second_slot() {
    let Rotating { house, target, old, new, until } = rotating().await;
    assert_eq!(house.secrets(target).await, [(old, Some(1), Some(until), true), (new, Some(0), None, true)]);
    assert_eq!(house.touched().await, sorted(vec![(Some(old), true), (Some(new), false)]));
    let refused = rotate(&house, target, 1).await.err();
    assert!(matches!(refused, Some(Refusal::Key(KeyRefusal::RotationActive { .. }))));
}

#[tokio::test]
async fn regenerate_ends_every_older_secret() {
    let Rotating { house, target, old, new, until } = rotating().await;
    let third = rotate(&house, target, 0).await.expect("rotated");
    assert_eq!(third.previous_valid_until, None);
    let third = fingerprint(&third.secret);
    let expected = [(old, None, Some(until), false), (new, None, None, false), (third, Some(0), None, true)];
    assert_eq!(house.secrets(target).await, expected);
    assert_eq!(house.touched().await, sorted(vec![(Some(old), true), (Some(new), true), (Some(third), false)]));
}

#[tokio::test]
async fn finish_and_cancel_end_one_of_the_two() {
    let Rotating { house, target, old, new, until } = rotating().await;
    house.run(FinishRotation { target }).await.expect("finished");
    assert_eq!(house.secrets(target).await, [(old, None, Some(until), false), (new, Some(0), None, true)]);

    let Rotating { house, target, old, new, .. } = rotating().await;
    let cancelled = house.run(CancelRotation { target }).await.expect("cancelled");
    assert_eq!(cancelled.rotation, None);
    assert_eq!(house.secrets(target).await, [(old, Some(0), None, true), (new, None, None, false)]);
    assert_eq!(house.touched().await, sorted(vec![(Some(old), false), (Some(new), true)]));
}

#[tokio::test]
async fn cancel_is_too_late_in_the_last_two_minutes() {
    let Rotating { house, target, .. } = rotating().await;
    house.pass(480);
    let refused = house.run(CancelRotation { target }).await;
    assert!(matches!(refused, Err(Refusal::Key(KeyRefusal::CancelTooLate { .. }))));
}

#[tokio::test]
async fn pause_and_resume_flag_the_old_secret() {
    let Rotating { house, target, old, .. } = rotating().await;
    let paused = house.run(PauseRotation { target }).await.expect("paused");
    assert!(paused.rotation.is_some_and(|running| running.rotation.paused));
    assert_eq!(house.touched().await, [(Some(old), true)]);
    let resumed = house.run(ResumeRotation { target }).await.expect("resumed");
    assert!(resumed.rotation.is_some_and(|running| !running.rotation.paused));
    assert_eq!(house.touched().await, [(Some(old), false)]);
    assert_eq!(house.view(target).await.rotation.map(|running| running.rotation.paused), Some(false));
}

#[tokio::test]
async fn extend_moves_the_deadline_from_now() {
    let Rotating { house, target, old, new, .. } = rotating().await;
    house.pass(100);
    let now = house.now().as_millis() / 1000;
    for (to, ahead, narrowing) in [
        (ExtendTo::GraceSeconds(1000), 1000, false),
        (ExtendTo::PreviousValidUntil(house.now().plus_seconds(50)), 50, true),
    ] {
        house.run(ExtendRotation { target, to }).await.expect("extended");
        assert_eq!(house.secrets(target).await, [(old, Some(1), Some(now + ahead), true), (new, Some(0), None, true)]);
        assert_eq!(house.touched().await, [(Some(old), narrowing)]);
    }
    for (to, field) in [
        (ExtendTo::GraceSeconds(0), "grace_seconds"),
        (ExtendTo::GraceSeconds(2_592_001), "grace_seconds"),
        (ExtendTo::PreviousValidUntil(house.now()), "previous_valid_until"),
        (ExtendTo::PreviousValidUntil(house.now().plus_seconds(2_592_001)), "previous_valid_until"),
    ] {
        let refused = house.run(ExtendRotation { target, to }).await;
        assert!(matches!(refused, Err(Refusal::Invalid(invalid)) if invalid.field == field));
    }
}

#[tokio::test]
async fn a_rotation_that_is_over_reads_as_none_and_its_secret_ends_with_the_next_mutation() {
    let Rotating { house, target, old, new, until } = rotating().await;
    house.pass(600);
    assert_eq!(house.view(target).await.rotation, None);
    assert_eq!(house.secrets(target).await[0], (old, Some(1), Some(until), true));
    let refused = house.run(FinishRotation { target }).await;
    assert!(matches!(refused, Err(Refusal::Key(KeyRefusal::NoRotation))));
    house.run(DisableKey { target }).await.expect("disabled");
    assert_eq!(house.secrets(target).await, [(old, None, Some(until), false), (new, Some(0), None, true)]);
    house.run(EnableKey { target }).await.expect("enabled");
    assert!(rotate(&house, target, 60).await.is_ok());
}

#[tokio::test]
async fn grace_is_zero_to_thirty_days() {
    let Rotating { house, target, .. } = rotating().await;
    house.run(FinishRotation { target }).await.expect("finished");
    for grace in [2_592_001, u64::MAX] {
        let refused = rotate(&house, target, grace).await;
        assert!(matches!(refused, Err(Refusal::Invalid(invalid)) if invalid.field == "grace_seconds"));
    }
    assert!(rotate(&house, target, 2_592_000).await.is_ok());
}
