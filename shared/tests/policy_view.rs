//! A policy that is read in place says what the same policy says when it is owned: what a leaf holds
//! and what `recent` holds are judged alike.

use std::net::IpAddr;

use keyward_shared::decision::{Client, Decision, Request, decide};
use keyward_shared::policy::{App, Policy, PolicyRef};
use keyward_shared::snapshot::{Head, RecentEntry, Replica};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::arbitrary;
use crate::decide::{KEY, Scene};
use crate::fixtures::{NOW_MS, basic, fingerprint_of};

/// What a client says of itself, owned.
#[derive(Debug, Clone, Default)]
struct Told {
    address: Option<IpAddr>,
    referrer: Option<String>,
    package: Option<String>,
    certificate: Option<String>,
    bundle: Option<String>,
}

impl Told {
    fn as_client(&self) -> Client<'_> {
        Client {
            address: self.address,
            referrer: self.referrer.as_deref(),
            android_package: self.package.as_deref(),
            android_certificate: self.certificate.as_deref(),
            ios_bundle: self.bundle.as_deref(),
        }
    }

    /// What one of each of the policy's restrictions asks for.
    fn right_for(policy: &Policy, which: Index) -> Self {
        let restrictions = &policy.restrictions;
        let mut told = Self::default();
        if !restrictions.ips.is_empty() {
            told.address = Some(which.get(&restrictions.ips).addr());
        }
        if !restrictions.referrers.is_empty() {
            told.referrer = Some(format!("https://{}", which.get(&restrictions.referrers)));
        }
        if !restrictions.apps.is_empty() {
            match which.get(&restrictions.apps) {
                App::Android { package, certificate } => {
                    told.package = Some(package.clone());
                    told.certificate = Some(certificate.to_uppercase());
                }
                App::Ios { bundle } => told.bundle = Some(bundle.clone()),
            }
        }
        told
    }
}

fn told() -> impl Strategy<Value = Told> {
    let text = || option::of(".{0,20}");
    (option::of(any::<IpAddr>()), text(), text(), text(), text()).prop_map(
        |(address, referrer, package, certificate, bundle)| Told { address, referrer, package, certificate, bundle },
    )
}

/// The scene's key in a leaf, and the same key in `recent`.
fn held_in_both(scene: &Scene) -> [Replica; 2] {
    let (mut by_leaf, leaf) = scene.cold();
    let (mut by_recent, _) = scene.cold();
    if let Decision::Need(need) = ask(&mut by_leaf, "GET", "/v1/data", None) {
        by_leaf.insert(&need, leaf).expect("the leaf");
    }
    let head = by_recent.head().expect("a head");
    let state = Some((scene.record, scene.policy.clone()));
    let entry = RecentEntry { fingerprint: fingerprint_of(KEY), generation: head.generation, state };
    let head = Head { issued_at: NOW_MS + 1, recent: vec![entry], ..head.clone() };
    assert_eq!(by_recent.adopt(head, scene.settings.clone(), NOW_MS), Ok(true));
    [by_leaf, by_recent]
}

fn ask(replica: &mut Replica, method: &str, path: &str, client: Option<Client<'_>>) -> Decision {
    let authorization = basic(&format!("{KEY}:"));
    let request = Request { method, path, authorization: Some(&authorization), client, ..Request::default() };
    decide(replica, &request, NOW_MS)
}

proptest! {
    #[test]
    fn a_policy_read_in_place_is_the_policy(policy in arbitrary::policy(), api in any::<u16>()) {
        let bytes = policy.encode().expect("within bounds");
        let in_place = PolicyRef::read(&bytes).expect("its own bytes");
        prop_assert_eq!(in_place.to_policy(), policy.clone());
        prop_assert_eq!(in_place, PolicyRef::from(&policy));
        prop_assert_eq!(PolicyRef::from(&policy).to_policy(), policy.clone());
        let numbers = match &policy.apis {
            keyward_shared::policy::Apis::All => Vec::new(),
            keyward_shared::policy::Apis::Only(numbers) => numbers.clone(),
        };
        for api in numbers.into_iter().chain([api]).map(Some).chain([None]) {
            prop_assert_eq!(in_place.apis.grant(api), policy.apis.grant(api));
            prop_assert_eq!(PolicyRef::from(&policy).apis.grant(api), policy.apis.grant(api));
        }
    }

    #[test]
    fn a_leaf_and_recent_judge_alike(
        record in arbitrary::record(),
        policy in arbitrary::policy(),
        told in told(),
        which in any::<Index>(),
        method in prop_oneof![Just("GET"), Just("POST"), Just("OPTIONS")],
        path in prop_oneof![Just("/v1/data"), Just("/v1/push"), Just("/v1/ping"), Just("/open"), Just("/elsewhere")],
    ) {
        let mut scene = Scene::new();
        scene.record = record;
        scene.policy = policy;
        let [mut by_leaf, mut by_recent] = held_in_both(&scene);
        let right = Told::right_for(&scene.policy, which);
        for client in [None, Some(Client::default()), Some(told.as_client()), Some(right.as_client())] {
            let decision = ask(&mut by_leaf, method, path, client);
            prop_assert!(!matches!(decision, Decision::Need(_)));
            prop_assert_eq!(decision, ask(&mut by_recent, method, path, client));
        }
    }
}
