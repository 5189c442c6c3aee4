//! Fixed values that tests share: one deployment, its secrets, and a key or two.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _};
use keyward_shared::fingerprint::{Digest, Fingerprint, Pepper};
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::{Access, Apis, App, Policy, Restrictions, SlugHash};
use keyward_shared::record::{Deadline, Record, Slot};
use keyward_shared::settings::{Accept, BasicUser, CheckDigits, Route, RouteAccess, Settings};
use keyward_shared::snapshot::{
    Head, LeafBuilder, ObjectName, Origin, Place, RecentEntry, Shape, SigningKey, Stamp, Tree, TrustedKeys,
};

/// The deployment that all test objects are of.
pub(crate) const DEPLOYMENT: &str = "test";

/// A time that heads of these tests are valid at, in milliseconds.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;

pub(crate) fn pepper() -> Pepper {
    Pepper::new([7; 32])
}

pub(crate) fn origin() -> Origin<'static> {
    Origin { deployment: DEPLOYMENT, pepper: pepper().id() }
}

const SIGNING_SEED: [u8; 32] = [9; 32];

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(&SIGNING_SEED)
}

pub(crate) fn trusted() -> TrustedKeys {
    TrustedKeys::new(vec![signing_key().public()]).expect("one key")
}

pub(crate) const STAMP: Stamp = Stamp { epoch: 3, generation: 41 };

/// Where the body of a head begins: kind, version, key id, signature.
pub(crate) const HEAD_BODY_AT: usize = 4 + 1 + 8 + 64;
/// Where the place begins in an object of this deployment: kind, version, the deployment's name.
pub(crate) const PLACE_AT: usize = 4 + 1 + 1 + DEPLOYMENT.len();
/// How long the header of an object of this deployment is: place, pepper, stamp behind that.
pub(crate) const OBJECT_HEADER_BYTES: usize = PLACE_AT + 1 + 4 + 8 + 16;

/// The stamp that an object's header carries.
pub(crate) fn stamp_of(object: &[u8]) -> Stamp {
    let number = |at: usize| {
        let bytes = object[at..at + 8].try_into().expect("eight bytes");
        u64::from_be_bytes(bytes)
    };
    Stamp { epoch: number(OBJECT_HEADER_BYTES - 16), generation: number(OBJECT_HEADER_BYTES - 8) }
}

/// A head of any body, soundly signed: what only the holder of the signing key could make.
pub(crate) fn sign_anyway(body: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    for part in [&b"keyward head v1"[..], DEPLOYMENT.as_bytes(), body] {
        message.extend((part.len() as u64).to_be_bytes());
        message.extend(part);
    }
    let head = full_head().sign(DEPLOYMENT, &signing_key()).expect("within bounds").into_bytes();
    let signature = ed25519_dalek::SigningKey::from_bytes(&SIGNING_SEED).sign(&message);
    let (before_signature, _) = head.split_at(HEAD_BODY_AT - Signature::BYTE_SIZE);
    [before_signature, &signature.to_bytes(), body].concat()
}

/// `Authorization` for a user and a password.
pub(crate) fn basic(user_pass: &str) -> String {
    format!("Basic {}", STANDARD.encode(user_pass))
}

/// The fingerprint of a key in the clear.
pub(crate) fn fingerprint_of(key: &str) -> Fingerprint {
    let key = keyward_shared::api_key::ApiKey::parse(key).expect("a key");
    pepper().fingerprint(&Digest::of(&key))
}

/// A fingerprint that begins with `first` and is told from others by `last`.
pub(crate) fn fingerprint(first: u8, last: u8) -> Fingerprint {
    let mut bytes = [0; Fingerprint::LEN];
    bytes[0] = first;
    bytes[Fingerprint::LEN - 1] = last;
    Fingerprint::from_bytes(bytes)
}

/// A usable record without a deadline.
pub(crate) fn record() -> Record {
    Record {
        key: KeyId::from_u64(11),
        member: MemberId::from_u64(12),
        deadline: Deadline::NEVER,
        slot: Slot::Current,
        disabled: false,
        paused: false,
        suspended: false,
    }
}

/// A policy that allows everything, of the workspace `acme`.
pub(crate) fn policy() -> Policy {
    Policy {
        workspace: WorkspaceId::from_u64(13),
        slug: SlugHash::of("acme"),
        access: Access::ReadWrite,
        apis: Apis::All,
        restrictions: Restrictions::default(),
    }
}

/// A policy that uses everything a policy can say.
pub(crate) fn full_policy() -> Policy {
    Policy {
        workspace: WorkspaceId::from_u64(0x0102_0304_0506_0708),
        slug: SlugHash::of("globex"),
        access: Access::ReadOnly,
        apis: Apis::Only(vec![1, 2, 0xfffe]),
        restrictions: Restrictions {
            ips: vec!["192.0.2.0/24".parse().expect("a range"), "2001:db8::/32".parse().expect("a range")],
            referrers: vec!["*.example.com".to_owned(), "localhost:3000/app".to_owned()],
            apps: vec![
                App::Android {
                    package: "com.example.app".to_owned(),
                    certificate: "da39a3ee5e6b4b0d3255bfef95601890afd80709".to_owned(),
                },
                App::Ios { bundle: "com.example.App".to_owned() },
            ],
        },
    }
}

/// A record with every flag and a deadline.
pub(crate) fn flagged_record() -> Record {
    Record {
        key: KeyId::from_u64(0x1112_1314_1516_1718),
        member: MemberId::from_u64(0x2122_2324_2526_2728),
        deadline: Deadline::at_seconds(0x6b49_d200),
        slot: Slot::Retiring,
        disabled: true,
        paused: true,
        suspended: true,
    }
}

/// Settings that use everything settings can say.
pub(crate) fn full_settings() -> Settings {
    Settings {
        key_prefix: "acme_live".to_owned(),
        check_digits: CheckDigits::Off,
        accept: Accept { basic: true, bearer: true, header: Some("x-api-key".to_owned()) },
        basic_user: BasicUser::Any,
        realm: "Acme API".to_owned(),
        ping_path: "/v1/ping".to_owned(),
        routes: vec![
            route(1, "/v1/data", &[], RouteAccess::ByMethod),
            route(2, "/v1/report", &["GET", "POST"], RouteAccess::Read),
            route(3, "/v1/push", &["POST"], RouteAccess::Write),
            route(4, "/open", &[], RouteAccess::Public),
        ],
    }
}

pub(crate) fn route(api: u16, path_prefix: &str, methods: &[&str], access: RouteAccess) -> Route {
    Route {
        api,
        path_prefix: path_prefix.to_owned(),
        methods: methods.iter().map(|&method| method.to_owned()).collect(),
        access,
    }
}

/// Three records, two policies, at the place of the leading bits `101`.
pub(crate) fn leaf_place() -> Place {
    Place { depth: 3, prefix: 0b101 }
}

pub(crate) fn leaf_bytes() -> Vec<u8> {
    let mut leaf = LeafBuilder::new(leaf_place());
    for (fingerprint, record, policy) in leaf_records() {
        leaf.push(fingerprint, &record, &policy).expect("in order and within bounds");
    }
    leaf.finish(origin(), STAMP).expect("small")
}

pub(crate) fn leaf_records() -> Vec<(Fingerprint, Record, Policy)> {
    vec![
        (fingerprint(0xa0, 0), record(), policy()),
        (fingerprint(0xa0, 1), flagged_record(), full_policy()),
        (fingerprint(0xbf, 0xff), flagged_record(), policy()),
    ]
}

/// The name of an object that does not exist.
pub(crate) fn name(byte: u8) -> ObjectName {
    ObjectName::from_bytes([byte; ObjectName::LEN])
}

/// A head that uses everything a head can say.
pub(crate) fn full_head() -> Head {
    Head {
        epoch: 3,
        generation: 120,
        issued_at: NOW_MS,
        expires_at: NOW_MS + 86_400_000,
        tree_generation: 110,
        recent_since: 100,
        narrowed_since: 90,
        narrowed_through: 125,
        settings: name(0x5e),
        ack_wanted: true,
        checkpoint: b"an opaque checkpoint".to_vec(),
        tree: Tree {
            shape: Shape::new(vec![1, 2]).expect("a shape"),
            pepper: pepper().id(),
            top: vec![name(0xa0), name(0xa1)],
        },
        next: Some(Tree { shape: Shape::default(), pepper: Pepper::new([8; 32]).id(), top: vec![name(0xb0)] }),
        recent: vec![
            RecentEntry {
                fingerprint: fingerprint(0x10, 1),
                generation: 115,
                state: Some((flagged_record(), full_policy())),
            },
            RecentEntry { fingerprint: fingerprint(0x20, 2), generation: 120, state: None },
            RecentEntry { fingerprint: fingerprint(0x30, 3), generation: 125, state: Some((record(), full_policy())) },
        ],
    }
}
