//! What a replica takes in memory, and what a decision takes of it.

use keyward_shared::decision::{Decision, Judged, Request, decide, judge};
use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::id::WorkspaceId;
use keyward_shared::policy::SlugHash;
use keyward_shared::snapshot::{LeafBuilder, ObjectName, Place, Replica, ReplicaOptions, Shape};

use crate::decide::{Scene, request};
use crate::fixtures::{DEPLOYMENT, NOW_MS, STAMP, basic, fingerprint_of, origin, pepper, policy, record};

/// Bytes of a cache at its default size, and the keys of which it must hold every leaf.
const CACHE_BYTES: usize = 64 << 20;
const CACHED_KEYS: usize = 1_000_000;
/// Leaves of as many keys as there are in a tree of a million.
const DEPTH: u8 = 5;
const KEYS: usize = CACHED_KEYS >> (11 - DEPTH);

fn key(number: usize) -> String {
    format!("{number:032}")
}

fn authorization(number: usize) -> String {
    basic(&format!("{}:", key(number)))
}

/// A replica that holds nothing yet, and the leaves of [`KEYS`] keys.
fn tree() -> (Replica, Vec<Vec<u8>>) {
    let mut fingerprints: Vec<(Fingerprint, usize)> =
        (0..KEYS).map(|number| (fingerprint_of(&key(number)), number)).collect();
    fingerprints.sort_unstable();
    let leaves: Vec<Vec<u8>> = (0..1 << DEPTH)
        .map(|prefix| {
            let place = Place { depth: DEPTH, prefix };
            let mut leaf = LeafBuilder::new(place);
            for (fingerprint, number) in fingerprints.iter().filter(|(fingerprint, _)| place.covers(fingerprint)) {
                // Of a workspace's ten keys, hardly two of a million fall into one leaf and share a policy.
                let mut policy = policy();
                policy.workspace = WorkspaceId::from_u64(*number as u64);
                policy.slug = SlugHash::of(&number.to_string());
                leaf.push(*fingerprint, &record(), &policy).expect("in order");
            }
            leaf.finish(origin(), STAMP).expect("small")
        })
        .collect();
    let (template, _) = Scene::new().cold();
    let mut head = template.head().expect("a head").clone();
    head.tree.shape = Shape::of_depth(DEPTH);
    head.tree.top = leaves.iter().map(|leaf| ObjectName::of(leaf)).collect();
    let mut replica = Replica::new(ReplicaOptions {
        deployment: DEPLOYMENT.to_owned(),
        peppers: vec![pepper()],
        min_epoch: 0,
        cache_bytes: usize::MAX,
    });
    assert_eq!(replica.adopt(head, Scene::new().settings, NOW_MS), Ok(true));
    (replica, leaves)
}

/// Judges as many keys as it takes to load all leaves, whose bytes come with room to spare, as a body
/// does that was read in pieces.
fn load_all(replica: &mut Replica, leaves: &[Vec<u8>]) {
    let mut loaded = 0;
    for number in 0..KEYS {
        let authorization = authorization(number);
        if let Decision::Need(need) = decide(replica, &request("GET", "/v1/data", &authorization), NOW_MS) {
            let mut bytes = Vec::with_capacity(1 << 20);
            bytes.extend_from_slice(&leaves[need.place.prefix as usize]);
            replica.insert(&need, bytes).expect("the leaf");
            loaded += 1;
        }
        if loaded == leaves.len() {
            return;
        }
    }
    panic!("{loaded} of {} leaves", leaves.len());
}

#[test]
fn a_million_keys_fit_into_the_cache() {
    let (mut replica, leaves) = tree();
    let memory = allocation_counter::measure(|| load_all(&mut replica, &leaves));
    let held = replica.held_bytes();
    let of_all = held * (CACHED_KEYS / KEYS);
    assert!(of_all <= CACHE_BYTES, "{of_all} bytes for {CACHED_KEYS} keys");
    // What is counted is what is there.
    let taken = usize::try_from(memory.bytes_current).expect("more than before");
    assert!(held.abs_diff(taken) < held / 100, "{taken} bytes taken, {held} counted");
}

#[test]
fn a_decision_allocates_nothing() {
    let (mut replica, leaves) = tree();
    load_all(&mut replica, &leaves);
    let known = authorization(7);
    let unknown = authorization(KEYS + 7);
    let malformed = known.trim_end_matches('=').replace("Basic ", "Basic =");
    let mistyped = basic("kw_0000000000000000000000000000000000:");
    let names_its_key = basic(&format!("{}:{}", record().key, key(7)));
    for (what, authorization, passes) in [
        ("hit", &known, true),
        ("miss", &unknown, false),
        ("malformed", &malformed, false),
        ("mistyped", &mistyped, false),
        ("claim", &names_its_key, true),
    ] {
        let request: Request<'_> = request("GET", "/v1/data", authorization);
        let mut judged = None;
        let memory = allocation_counter::measure(|| judged = Some(judge(&mut replica, &request, NOW_MS)));
        let passed = matches!(judged, Some(Judged { decision: Decision::Allow(_), slot: Some(_), .. }));
        assert_eq!(passed, passes, "{what}: {judged:?}");
        assert_eq!(memory.count_total, 0, "{what}");
    }
}

#[test]
fn a_restricted_key_is_judged_without_allocating() {
    let mut scene = Scene::new();
    scene.policy = crate::fixtures::full_policy();
    let (mut replica, leaf) = scene.cold();
    let authorization = basic(&format!("{}:", crate::decide::KEY));
    let mut request = request("GET", "/v1/data", &authorization);
    request.client = Some(keyward_shared::decision::Client {
        address: Some("192.0.2.9".parse().expect("an address")),
        referrer: Some("https://a.example.com/"),
        ios_bundle: Some("com.example.App"),
        ..Default::default()
    });
    let Decision::Need(need) = decide(&mut replica, &request, NOW_MS) else { panic!("a leaf is needed") };
    replica.insert(&need, leaf).expect("the leaf");
    let mut decision = None;
    let memory = allocation_counter::measure(|| decision = Some(decide(&mut replica, &request, NOW_MS)));
    assert!(matches!(decision, Some(Decision::Allow(_))), "{decision:?}");
    assert_eq!(memory.count_total, 0);
}
