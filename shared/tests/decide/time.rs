//! Deadlines and expiry, to the millisecond, on the request's one time.

use keyward_shared::decision::{Decision, Reason, Refusal};
use keyward_shared::record::{Deadline, Record, Slot};

use super::{Scene, request, unauthorized, with_key};
use crate::fixtures::NOW_MS;

#[test]
fn a_deadline_holds_until_its_second_begins() {
    let seconds = u32::try_from(NOW_MS / 1000).expect("before 2106") + 60;
    let deadline_ms = u64::from(seconds) * 1000;
    let authorization = with_key();
    let request = request("GET", "/v1/data", &authorization);
    for slot in [Slot::Current, Slot::Retiring] {
        let mut scene = Scene::new();
        scene.record = Record { deadline: Deadline::at_seconds(seconds), slot, ..scene.record };
        let allowed = Decision::Allow(scene.grant());
        let expired = unauthorized(Reason::Expired);
        for (now_ms, expected) in [
            (deadline_ms - 60_000, allowed),
            (deadline_ms - 1, allowed),
            (deadline_ms, expired),
            (deadline_ms + 1, expired),
            (deadline_ms + 999, expired),
        ] {
            assert_eq!(scene.at(now_ms, &request), expected, "at {now_ms}");
        }
    }
}

#[test]
fn the_grant_tells_which_secret_was_used() {
    let mut scene = Scene::new();
    let authorization = with_key();
    scene.record.slot = Slot::Retiring;
    let Decision::Allow(grant) = scene.decide(&request("GET", "/", &authorization)) else {
        panic!("a usable key");
    };
    assert_eq!(grant.slot, Slot::Retiring);
}

#[test]
fn an_expired_snapshot_judges_nothing_from_that_millisecond_on() {
    let scene = Scene::new();
    let authorization = with_key();
    let expires_at = NOW_MS + 86_400_000;
    for path in ["/v1/data", "/open/x", "/v1/ping"] {
        let request = request("GET", path, &authorization);
        let just_before = scene.at(expires_at - 1, &request);
        assert!(!matches!(just_before, Decision::Deny(_)), "{path}");
        for now_ms in [expires_at, expires_at + 1, u64::MAX] {
            assert_eq!(scene.at(now_ms, &request), Decision::Deny(Refusal::SnapshotExpired), "{path}");
        }
    }
}
