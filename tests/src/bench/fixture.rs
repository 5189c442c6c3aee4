//! A snapshot of any number of keys, made in memory with the product's own encoders: what an edge
//! would find in Workers KV after the control plane had published so many keys.
//!
//! Everything follows from a key's number, so nothing is kept beyond the objects. Must never know
//! who reads it.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use keyward_shared::api_key::ApiKey;
use keyward_shared::fingerprint::{Digest, Fingerprint, Pepper};
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::{Access, Apis, Policy, Restrictions, SlugHash};
use keyward_shared::record::{Deadline, Record, Slot};
use keyward_shared::settings::{Route, RouteAccess, Settings};
use keyward_shared::snapshot::{
    Head, LeafBuilder, Node, ObjectName, Origin, Place, RECORD_BYTES, Shape, SigningKey, Stamp, TARGET_LEAF_BYTES,
    Tree, encode_settings,
};
use sha2::{Digest as _, Sha512};

/// Keys of one workspace.
pub const KEYS_A_WORKSPACE: u64 = 10;
/// One key of so many has expired.
pub const EXPIRED_EVERY: u64 = 100;
/// Policies repeat after so many keys.
const POLICY_CYCLE: u64 = 4;
/// The deployment's name, where nobody gives another.
const DEPLOYMENT: &str = "keyward";
const PEPPER: [u8; 32] = [7; 32];
const SIGNING_SEED: [u8; 32] = [9; 32];
const HEAD_LIFETIME_MS: u64 = 24 * 60 * 60 * 1000;
const STAMP: Stamp = Stamp { epoch: 1, generation: 1 };

/// A snapshot in memory.
pub struct Fixture {
    keys: u64,
    /// Everything of it, by its key in Workers KV; the head is `head`.
    values: HashMap<String, Vec<u8>>,
}

impl Fixture {
    /// The snapshot of the keys `0..keys`.
    pub fn new(keys: u64) -> Result<Self> {
        let pepper = Pepper::new(PEPPER);
        let origin = Origin { deployment: DEPLOYMENT, pepper: pepper.id() };
        let mut secrets = fingerprints(keys, &pepper)?;
        secrets.sort_unstable();
        let mut values = HashMap::new();
        let shape = Shape::of_depth(depth_for(keys));
        let mut put = |bytes: Vec<u8>| {
            let name = ObjectName::of(&bytes);
            values.insert(name.kv_key(), bytes);
            name
        };
        let mut names = leaves(&shape, origin, &secrets, &mut put)?;
        let depths: Vec<u8> = shape.object_depths().collect();
        for (level, bits) in shape.levels().iter().enumerate().skip(1).rev() {
            let depth = depths.get(level - 1).copied().context("a level without depth")?;
            let nodes = names.chunks(1 << bits).zip(0..);
            let nodes =
                nodes.map(|(children, prefix)| Node::encode(origin, Place { depth, prefix }, STAMP, *bits, children));
            names = nodes.map(|node| node.map(&mut put)).collect::<Option<_>>().context("a node that cannot be")?;
        }
        let settings = put(encode_settings(origin, STAMP, &settings())?);
        let now = now_ms()?;
        let head = Head {
            epoch: 1,
            generation: 1,
            issued_at: now,
            expires_at: now + HEAD_LIFETIME_MS,
            tree_generation: 1,
            recent_since: 1,
            narrowed_since: 1,
            narrowed_through: 1,
            settings,
            ack_wanted: false,
            checkpoint: Vec::new(),
            tree: Tree { shape, pepper: pepper.id(), top: names },
            next: None,
            recent: Vec::new(),
        };
        let signed = head.sign(DEPLOYMENT, &SigningKey::from_seed(&SIGNING_SEED))?;
        values.insert("head".to_owned(), signed.into_bytes());
        Ok(Self { keys, values })
    }

    /// How many keys it has.
    pub const fn keys(&self) -> u64 {
        self.keys
    }

    /// What Workers KV holds under a key.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice)
    }

    /// Everything that Workers KV holds.
    pub fn values(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.values.iter().map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    /// Bytes of all its objects.
    pub fn bytes(&self) -> usize {
        self.values.values().map(Vec::len).sum()
    }

    /// Numbers of usable keys spread over all of them, each once, in an order that looks random. Of each
    /// stretch one anywhere in it, so that no kind of policy is left out.
    pub fn sample(&self, count: u64) -> Vec<u64> {
        let count = count.min(self.keys);
        let from = |at: u64| at * self.keys / count;
        let within = |at: u64| {
            let [high, low, ..] = mixed("sample", at);
            from(at) + u64::from(u16::from_be_bytes([high, low])) % (from(at + 1) - from(at))
        };
        let mut numbers: Vec<u64> = (0..count).map(within).collect();
        for number in &mut numbers {
            *number -= u64::from(is_expired(*number));
        }
        numbers.sort_by_key(|number| mixed("order", *number));
        numbers.dedup();
        numbers
    }
}

/// The variables and secrets that an edge needs for these snapshots.
pub fn variables() -> Vec<(&'static str, String)> {
    let public = SigningKey::from_seed(&SIGNING_SEED).public();
    vec![
        ("KEYWARD_DEPLOYMENT", DEPLOYMENT.to_owned()),
        ("KEYWARD_PEPPER", BASE64_URL_SAFE_NO_PAD.encode(PEPPER)),
        ("KEYWARD_PUBLIC_KEYS", BASE64_URL_SAFE_NO_PAD.encode(public.to_bytes())),
    ]
}

/// The secret of a key.
pub fn secret(number: u64) -> String {
    api_key("key", number).map_or_else(String::new, |key| key.expose().to_owned())
}

/// A well-formed key that no snapshot has.
pub fn unknown(number: u64) -> String {
    api_key("unknown", number).map_or_else(String::new, |key| key.expose().to_owned())
}

/// A credential as curl sends `-u KEY:` (RFC 7617).
pub fn basic(secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{secret}:")))
}

/// Whether a key has expired.
pub const fn is_expired(number: u64) -> bool {
    number % EXPIRED_EVERY == EXPIRED_EVERY - 1
}

fn api_key(of: &str, number: u64) -> Option<ApiKey> {
    // So rarely does a draw hold no key that the next one does.
    (0..64).find_map(|draw| ApiKey::generate("kw", &mixed(of, number << 6 | draw)))
}

fn mixed(of: &str, number: u64) -> [u8; 64] {
    Sha512::new().chain_update(of).chain_update(number.to_be_bytes()).finalize().into()
}

fn fingerprints(keys: u64, pepper: &Pepper) -> Result<Vec<(Fingerprint, u64)>> {
    let fingerprint = |number| Some((pepper.fingerprint(&Digest::of(&api_key("key", number)?)), number));
    (0..keys).map(fingerprint).collect::<Option<_>>().context("a draw without key")
}

fn leaves(
    shape: &Shape,
    origin: Origin<'_>,
    secrets: &[(Fingerprint, u64)],
    put: &mut impl FnMut(Vec<u8>) -> ObjectName,
) -> Result<Vec<ObjectName>> {
    let depth = shape.depth();
    let mut rest = secrets;
    let mut names = Vec::with_capacity(1 << depth);
    for prefix in 0..1_u32 << depth {
        let place = Place { depth, prefix };
        let (here, further) = rest.split_at(rest.partition_point(|(fingerprint, _)| place.covers(fingerprint)));
        rest = further;
        let mut leaf = LeafBuilder::new(place);
        for (fingerprint, number) in here {
            leaf.push(*fingerprint, &record(*number), &policy(*number))?;
        }
        names.push(put(leaf.finish(origin, STAMP)?));
    }
    Ok(names)
}

fn record(number: u64) -> Record {
    Record {
        key: KeyId::from_u64(number + 1),
        member: MemberId::from_u64(number / KEYS_A_WORKSPACE + 1),
        deadline: if is_expired(number) { Deadline::at_seconds(1_700_000_000) } else { Deadline::NEVER },
        slot: Slot::Current,
        disabled: false,
        paused: false,
        suspended: false,
    }
}

fn policy(number: u64) -> Policy {
    let workspace = number / KEYS_A_WORKSPACE;
    Policy {
        workspace: WorkspaceId::from_u64(workspace + 1),
        slug: SlugHash::of(&format!("workspace-{workspace}")),
        access: if number % POLICY_CYCLE == 1 { Access::ReadOnly } else { Access::ReadWrite },
        apis: if number % POLICY_CYCLE < 2 { Apis::All } else { Apis::Only(vec![1, 2]) },
        restrictions: Restrictions::default(),
    }
}

fn settings() -> Settings {
    let route = |api, path: &str| Route {
        api,
        path_prefix: path.to_owned(),
        methods: Vec::new(),
        access: RouteAccess::ByMethod,
    };
    let routes = vec![route(1, "/v1/data"), route(2, "/v1/reports"), route(3, "/v1/admin")];
    Settings { routes, ..Settings::default() }
}

/// As deep as the publisher makes the tree of so many keys.
fn depth_for(keys: u64) -> u8 {
    let fits = |depth: &u8| keys >> depth <= (TARGET_LEAF_BYTES / RECORD_BYTES) as u64;
    (0..24).find(fits).unwrap_or(24)
}

fn now_ms() -> Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "the head must be of now")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(now.as_millis())?)
}

#[cfg(test)]
mod tests {
    use keyward_shared::decision::{Decision, Reason, Refusal, Request, decide};
    use keyward_shared::snapshot::{Need, Replica, ReplicaOptions, TrustedKeys, decode_settings};

    use super::*;

    fn judged(fixture: &Fixture, secret: &str) -> Decision {
        let pepper = Pepper::new(PEPPER);
        let trusted = TrustedKeys::new(vec![SigningKey::from_seed(&SIGNING_SEED).public()]).expect("a key");
        let head = Head::verify(fixture.value("head").expect("a head"), DEPLOYMENT, &trusted).expect("a good head");
        let origin = Origin { deployment: DEPLOYMENT, pepper: pepper.id() };
        let value = |name: &ObjectName| fixture.value(&name.kv_key()).expect("an object").to_vec();
        let settings = decode_settings(&value(&head.settings), origin).expect("settings");
        let now = head.issued_at;
        let mut replica = Replica::new(ReplicaOptions {
            deployment: DEPLOYMENT.to_owned(),
            peppers: vec![pepper.clone()],
            min_epoch: 0,
            cache_bytes: 64 << 20,
        });
        assert_eq!(replica.adopt(head, settings, now), Ok(true));
        let authorization = basic(secret);
        let request =
            Request { method: "GET", path: "/v1/ping", authorization: Some(&authorization), ..Request::default() };
        loop {
            match decide(&mut replica, &request, now) {
                Decision::Need(need @ Need { name, .. }) => replica.insert(&need, value(&name)).expect("a good object"),
                decision => return decision,
            }
        }
    }

    #[test]
    fn a_sample_has_policies_of_every_kind() {
        let fixture = Fixture::new(10_000).expect("a snapshot");
        for count in [50, 1_000, 10_000] {
            let sample = fixture.sample(count);
            for turn in 0..POLICY_CYCLE {
                let found = sample.iter().filter(|number| *number % POLICY_CYCLE == turn).count();
                assert!(found > sample.len() / 8, "{found} of {} have the policy of turn {turn}", sample.len());
            }
        }
    }

    #[test]
    fn its_keys_are_judged_as_an_edge_would() {
        let fixture = Fixture::new(10_000).expect("a snapshot");
        for number in fixture.sample(50) {
            assert!(matches!(judged(&fixture, &secret(number)), Decision::Pong(_)));
        }
        let refused = |reason| Decision::Deny(Refusal::Unauthorized(reason));
        assert_eq!(judged(&fixture, &secret(EXPIRED_EVERY - 1)), refused(Reason::Expired));
        assert_eq!(judged(&fixture, &unknown(1)), refused(Reason::Unknown));
    }
}
