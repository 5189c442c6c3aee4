//! Whose a verdict is: told wherever a key was looked up, and its slot exactly where the key is known.

use keyward_shared::decision::{Decision, Judged, Reason, Refusal, judge};
use keyward_shared::record::Slot;

use super::{KEY, Scene, UNKNOWN, request};
use crate::fixtures::{NOW_MS, basic, fingerprint_of};

fn judged(scene: &Scene, path: &str, authorization: &str) -> Judged {
    let (mut replica, leaf) = scene.cold();
    let request = request("GET", path, authorization);
    match judge(&mut replica, &request, NOW_MS) {
        Judged { decision: Decision::Need(need), fingerprint, slot } => {
            assert!(fingerprint.is_some() && slot.is_none(), "nothing is known of it yet");
            replica.insert(&need, leaf).expect("the leaf");
            judge(&mut replica, &request, NOW_MS)
        }
        judged => judged,
    }
}

#[test]
fn a_known_key_has_its_slot_whatever_the_verdict() {
    let authorization = basic(&format!("{KEY}:"));
    let mut scene = Scene::new();
    scene.record.slot = Slot::Retiring;
    let allowed = judged(&scene, "/v1/data", &authorization);
    assert!(matches!(allowed.decision, Decision::Allow(_)), "{allowed:?}");
    scene.record.disabled = true;
    let refused = judged(&scene, "/v1/data", &authorization);
    assert_eq!(refused.decision, Decision::Deny(Refusal::Unauthorized(Reason::Disabled)));
    for judged in [allowed, refused] {
        assert_eq!((judged.fingerprint, judged.slot), (Some(fingerprint_of(KEY)), Some(Slot::Retiring)));
    }
}

#[test]
fn an_unknown_key_has_a_fingerprint_and_no_slot() {
    let refused = judged(&Scene::new(), "/v1/data", &basic(&format!("{UNKNOWN}:")));
    assert_eq!(refused.decision, Decision::Deny(Refusal::Unauthorized(Reason::Unknown)));
    assert_eq!((refused.fingerprint, refused.slot), (Some(fingerprint_of(UNKNOWN)), None));
}

#[test]
fn where_no_key_is_asked_for_or_can_be_read_there_is_nobody() {
    for (path, authorization) in [("/open", basic(&format!("{KEY}:"))), ("/v1/data", "Basic =".to_owned())] {
        let judged = judged(&Scene::new(), path, &authorization);
        assert_eq!((judged.fingerprint, judged.slot), (None, None), "{judged:?}");
    }
}

#[test]
fn only_a_status_that_can_change_refuses_by_status() {
    let by_status = [Reason::Disabled, Reason::Paused, Reason::Suspended, Reason::Expired];
    assert!(by_status.into_iter().all(Reason::is_by_status));
    assert!(![Reason::Unknown, Reason::WrongUser].into_iter().any(Reason::is_by_status));
}
