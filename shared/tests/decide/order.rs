//! Which refusal comes first when there are several, and what is judged before anything is loaded.

use keyward_shared::credentials::CredentialError;
use keyward_shared::decision::{Client, Decision, Reason, Refusal, Request, decide};
use keyward_shared::policy::{Access, Apis};
use keyward_shared::record::Deadline;
use keyward_shared::snapshot::{Need, Replica, ReplicaOptions};

use super::{KEY, Scene, UNKNOWN, malformed, request, unauthorized, with_key};
use crate::fixtures::{DEPLOYMENT, NOW_MS, basic, pepper};

fn empty() -> Replica {
    Replica::new(ReplicaOptions {
        deployment: DEPLOYMENT.to_owned(),
        peppers: vec![pepper()],
        min_epoch: 0,
        cache_bytes: usize::MAX,
    })
}

fn needs(decision: Decision) -> Option<Need> {
    match decision {
        Decision::Need(need) => Some(need),
        _ => None,
    }
}

#[test]
fn without_a_head_everything_is_503() {
    for authorization in ["", "nonsense", &with_key()] {
        for path in ["/v1/data", "/open/x", "/a/../b", "/v1/ping"] {
            let request = request("GET", path, authorization);
            assert_eq!(decide(&mut empty(), &request, NOW_MS), Decision::Deny(Refusal::NoSnapshot), "{path}");
        }
    }
}

/// One request that is wrong in every way, put right step by step: each step shows the refusal that
/// the one before had hidden.
#[test]
fn refusals_come_in_one_order() {
    let mut scene = Scene::new();
    scene.record.suspended = true;
    scene.record.disabled = true;
    scene.record.paused = true;
    scene.record.deadline = Deadline::at_seconds(1);
    scene.policy.apis = Apis::Only(vec![2]);
    scene.policy.access = Access::ReadOnly;
    scene.policy.restrictions.referrers = vec!["example.com".to_owned()];
    let malformed_key = basic(":");
    let unknown = basic(&format!("{UNKNOWN}:"));
    let wrong_user = basic(&format!("other:{KEY}"));
    let with_key = with_key();
    let mut ask = request("POST", "/v1/data/../data", &malformed_key);

    let decided = |scene: &Scene, ask: &Request<'_>| scene.decide(ask);
    let denied = Decision::Deny;
    assert_eq!(decided(&scene, &ask), malformed(CredentialError::Key));
    ask.authorization = Some(&unknown);
    assert_eq!(decided(&scene, &ask), unauthorized(Reason::Unknown));
    ask.authorization = Some(&wrong_user);
    assert_eq!(decided(&scene, &ask), unauthorized(Reason::WrongUser));
    ask.authorization = Some(&with_key);
    assert_eq!(decided(&scene, &ask), unauthorized(Reason::Suspended));
    scene.record.suspended = false;
    assert_eq!(decided(&scene, &ask), unauthorized(Reason::Disabled));
    scene.record.disabled = false;
    assert_eq!(decided(&scene, &ask), unauthorized(Reason::Paused));
    scene.record.paused = false;
    assert_eq!(decided(&scene, &ask), unauthorized(Reason::Expired));
    scene.record.deadline = Deadline::NEVER;
    assert_eq!(decided(&scene, &ask), denied(Refusal::BadPath));
    ask.path = "/v1/data";
    assert_eq!(decided(&scene, &ask), denied(Refusal::ApiNotGranted));
    scene.policy.apis = Apis::Only(vec![1]);
    assert_eq!(decided(&scene, &ask), denied(Refusal::ReadOnlyKey));
    scene.policy.access = Access::ReadWrite;
    assert_eq!(decided(&scene, &ask), denied(Refusal::Restricted));
    ask.client = Some(Client { referrer: Some("https://example.com/"), ..Client::default() });
    assert_eq!(decided(&scene, &ask), Decision::Allow(scene.grant()));
}

#[test]
fn a_malformed_credential_is_refused_before_anything_is_loaded() {
    let (mut replica, _) = Scene::new().cold();
    let cut = basic(KEY);
    for (authorization, error) in [
        (None, CredentialError::Missing),
        (Some("nonsense"), CredentialError::Scheme),
        (Some("Basic !"), CredentialError::Base64),
        (Some(cut.as_str()), CredentialError::Form),
    ] {
        let request = Request { authorization, ..request("GET", "/v1/data", "") };
        assert_eq!(decide(&mut replica, &request, NOW_MS), malformed(error));
    }
    let with_key = with_key();
    let well_formed = decide(&mut replica, &request("GET", "/", &with_key), NOW_MS);
    assert!(needs(well_formed).is_some(), "{well_formed:?}");
}

#[test]
fn what_cannot_be_loaded_is_never_a_verdict() {
    let (mut replica, leaf) = Scene::new().cold();
    let with_key = with_key();
    let unknown = basic(&format!("{UNKNOWN}:"));
    for authorization in [&with_key, &unknown] {
        for path in ["/v1/data", "/v1/ping", "/a/../b"] {
            let request = request("GET", path, authorization);
            let need = needs(decide(&mut replica, &request, NOW_MS)).expect("a leaf");
            assert!(replica.insert(&need, leaf[1..].to_vec()).is_err());
            assert!(needs(decide(&mut replica, &request, NOW_MS)).is_some());
        }
    }
}

#[test]
fn a_bad_path_is_told_to_usable_keys_only() {
    let mut scene = Scene::new();
    let with_key = with_key();
    let unknown = basic(&format!("{UNKNOWN}:"));
    for path in ["/a/../b", "//", "/a%2fb", "/v1/data;x", ""] {
        let ask = request("GET", path, &with_key);
        scene.record.disabled = false;
        assert_eq!(scene.decide(&ask), Decision::Deny(Refusal::BadPath), "{path}");
        scene.record.disabled = true;
        assert_eq!(scene.decide(&ask), unauthorized(Reason::Disabled), "{path}");
        let stranger = request("GET", path, &unknown);
        assert_eq!(scene.decide(&stranger), unauthorized(Reason::Unknown));
        let nobody = Request { authorization: None, ..ask };
        assert_eq!(scene.decide(&nobody), malformed(CredentialError::Missing));
    }
}

#[test]
fn a_public_route_asks_no_key_and_judges_none() {
    let (mut replica, _) = Scene::new().cold();
    let with_key = with_key();
    for authorization in [None, Some("nonsense"), Some(with_key.as_str())] {
        for method in ["GET", "POST", "DELETE"] {
            let request = Request { authorization, ..request(method, "/open/x", "") };
            assert_eq!(decide(&mut replica, &request, NOW_MS), Decision::Public);
        }
    }
    // Only what is clearly within it.
    for path in ["/open/../v1/data", "/open/admin", "/open/admin;x/y", "/open%2fx", "/opened", "/Open"] {
        let nobody = Request { authorization: None, ..request("GET", path, "") };
        assert_eq!(decide(&mut replica, &nobody, NOW_MS), malformed(CredentialError::Missing), "{path}");
    }
}
