//! The decision, told as the contract tells it: which request gets which answer, and in which order
//! refusals come.

mod claims;
mod eviction;
mod judged;
mod methods_and_routes;
mod order;
mod referrers;
mod restrictions;
mod staleness;
mod time;

use keyward_shared::credentials::CredentialError;
use keyward_shared::decision::{Decision, Grant, Reason, Refusal, Request, decide};
use keyward_shared::policy::Policy;
use keyward_shared::record::Record;
use keyward_shared::settings::{RouteAccess, Settings};
use keyward_shared::snapshot::{Head, LeafBuilder, ObjectName, Place, Replica, ReplicaOptions, Shape, Tree};

use crate::fixtures::{DEPLOYMENT, NOW_MS, STAMP, basic, fingerprint_of, name, origin, pepper, policy, record, route};

/// A key as customers bring them.
pub(crate) const KEY: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// A key that no record is for.
const UNKNOWN: &str = "00000000000000000000000000000000";

/// A deployment with one key.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) settings: Settings,
    pub(crate) record: Record,
    pub(crate) policy: Policy,
}

impl Scene {
    /// A usable key that may do everything, and routes of every kind.
    pub(crate) fn new() -> Self {
        Self {
            settings: Settings {
                routes: vec![
                    route(1, "/v1/data", &[], RouteAccess::ByMethod),
                    route(2, "/v1/report", &[], RouteAccess::Read),
                    route(3, "/v1/push", &[], RouteAccess::Write),
                    route(4, "/open", &[], RouteAccess::Public),
                    route(4, "/open/admin", &[], RouteAccess::ByMethod),
                    route(5, "/cors", &["GET", "OPTIONS"], RouteAccess::ByMethod),
                ],
                ..Settings::default()
            },
            record: record(),
            policy: policy(),
        }
    }

    /// A replica that has the head but no leaf yet, and the leaf.
    pub(crate) fn cold(&self) -> (Replica, Vec<u8>) {
        let mut leaf = LeafBuilder::new(Place::ROOT);
        leaf.push(fingerprint_of(KEY), &self.record, &self.policy).expect("one record");
        let leaf = leaf.finish(origin(), STAMP).expect("small");
        let head = Head {
            epoch: STAMP.epoch,
            generation: STAMP.generation,
            issued_at: NOW_MS,
            expires_at: NOW_MS + 86_400_000,
            tree_generation: STAMP.generation,
            recent_since: STAMP.generation,
            narrowed_since: STAMP.generation,
            narrowed_through: STAMP.generation,
            settings: name(1),
            ack_wanted: false,
            checkpoint: Vec::new(),
            tree: Tree { shape: Shape::default(), pepper: pepper().id(), top: vec![ObjectName::of(&leaf)] },
            next: None,
            recent: Vec::new(),
        };
        let mut replica = Replica::new(ReplicaOptions {
            deployment: DEPLOYMENT.to_owned(),
            peppers: vec![pepper()],
            min_epoch: 0,
            cache_bytes: usize::MAX,
        });
        let adopted = replica.adopt(head, self.settings.clone(), NOW_MS);
        assert_eq!(adopted, Ok(true));
        (replica, leaf)
    }

    /// The verdict at `now_ms`, what it needs being loaded.
    pub(crate) fn at(&self, now_ms: u64, request: &Request<'_>) -> Decision {
        let (mut replica, leaf) = self.cold();
        match decide(&mut replica, request, now_ms) {
            Decision::Need(need) => {
                replica.insert(&need, leaf).expect("the leaf");
                decide(&mut replica, request, now_ms)
            }
            decision => decision,
        }
    }

    pub(crate) fn decide(&self, request: &Request<'_>) -> Decision {
        self.at(NOW_MS, request)
    }

    /// What the origin is told when the key passes.
    pub(crate) fn grant(&self) -> Grant {
        Grant {
            key: self.record.key,
            workspace: self.policy.workspace,
            member: self.record.member,
            access: self.policy.access,
            slot: self.record.slot,
        }
    }
}

/// A request for `path` with the key as its user.
pub(crate) fn request<'a>(method: &'a str, path: &'a str, authorization: &'a str) -> Request<'a> {
    Request { method, path, authorization: Some(authorization), ..Request::default() }
}

fn with_key() -> String {
    basic(&format!("{KEY}:"))
}

const fn unauthorized(reason: Reason) -> Decision {
    Decision::Deny(Refusal::Unauthorized(reason))
}

const fn malformed(error: CredentialError) -> Decision {
    unauthorized(Reason::Credential(error))
}

#[test]
fn a_usable_key_passes_and_says_whose_it_is() {
    let scene = Scene::new();
    let authorization = with_key();
    let request = request("GET", "/v1/data/7", &authorization);
    assert_eq!(scene.decide(&request), Decision::Allow(scene.grant()));
}

#[test]
fn every_refusal_has_the_contracts_code_and_status() {
    let reason = Reason::Unknown;
    let refusals = [
        (Refusal::Unauthorized(reason), "unauthorized", 401),
        (Refusal::ReadOnlyKey, "read_only_key", 403),
        (Refusal::ApiNotGranted, "api_not_granted", 403),
        (Refusal::Restricted, "restricted", 403),
        (Refusal::BadPath, "bad_path", 403),
        (Refusal::NoSnapshot, "no_snapshot", 503),
        (Refusal::SnapshotExpired, "snapshot_expired", 503),
        (Refusal::ObjectUnavailable, "object_unavailable", 503),
    ];
    assert_eq!(refusals.len(), Refusal::CODES.len());
    for (refusal, code, status) in refusals {
        assert_eq!((refusal.code(), refusal.status()), (code, status));
        assert_eq!(Refusal::CODES[refusal.index()], (code, status));
    }
}

#[test]
fn only_what_a_newer_head_could_turn_into_an_allow_is_asked_again() {
    for (reason, word, may_be_stale) in [
        (Reason::Credential(CredentialError::Missing), "no_credentials", false),
        (Reason::Credential(CredentialError::Base64), "malformed", false),
        (Reason::Credential(CredentialError::CheckDigits), "check_digits", false),
        (Reason::Unknown, "unknown", true),
        (Reason::WrongUser, "wrong_user", true),
        (Reason::Disabled, "disabled", true),
        (Reason::Paused, "paused", true),
        (Reason::Suspended, "suspended", true),
        (Reason::Expired, "expired", true),
    ] {
        assert_eq!(Refusal::Unauthorized(reason).may_be_stale(), may_be_stale);
        assert_eq!(reason.as_str(), word);
    }
    for refusal in [Refusal::ReadOnlyKey, Refusal::BadPath, Refusal::NoSnapshot] {
        assert!(!refusal.may_be_stale());
    }
}
