//! What a change costs among many keys, and what a build reads.

use super::super::heads::{HeadParts, HeadSigner};
use super::super::recent::{Recent, SecretChange, Span};
use super::super::tree::TARGET_RECORDS;
use super::*;
use crate::store::StoreError;
use crate::store::publication::{LiveSecret, OutboxBatch, OutboxMark, OutboxRow};
use crate::store::sqlite::SqliteStore;
use async_trait::async_trait;
use keyward_shared::id::{KeyId, MemberId, WorkspaceId};
use keyward_shared::policy::{Access, Apis, Policy, Restrictions, SlugHash};
use keyward_shared::record::{Deadline, Record, Slot};
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{Head, MAX_RECENT_BYTES, SigningKey, Tree};

const STAMP: Stamp = Stamp { epoch: 1, generation: 2 };

fn built_for() -> BuildFor {
    let pepper = PepperId::from_u64(1);
    BuildFor { deployment: "test".to_owned(), pepper, epoch: 1, leaf_records: TARGET_RECORDS }
}

fn record(number: u64) -> Record {
    let (key, member) = (KeyId::from_u64(number), MemberId::from_u64(number));
    let deadline = Deadline::NEVER;
    Record { key, member, deadline, slot: Slot::Current, disabled: false, paused: false, suspended: false }
}

/// Every key of a workspace of its own, which shares nothing.
fn policy(number: u64) -> Policy {
    Policy {
        workspace: WorkspaceId::from_u64(number),
        slug: SlugHash::of(&number.to_string()),
        access: Access::ReadWrite,
        apis: Apis::All,
        restrictions: Restrictions::default(),
    }
}

fn fingerprint(number: u32) -> Fingerprint {
    let mut bytes = [7; Fingerprint::LEN];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Fingerprint::from_bytes(bytes)
}

/// As much as a head carries: changes of policies of their own until one more has no room, then tombstones.
fn full() -> Recent {
    let mut recent = Recent::default();
    let span = |after| Span { after, through: after + 1, first_too_large: None };
    let mut admit = |after: u64, state| {
        let fingerprint = fingerprint(u32::try_from(after).expect("few"));
        let change =
            SecretChange { fingerprint, generation: after + 1, narrowing: true, entries_of_mutation: 1, state };
        !recent.admit(&[change], span(after), 0).expect("a change that is looked at").blocked
    };
    let restricted = |number: u64| {
        let referrers = vec![format!("{number:0200}.example.com")];
        Policy { restrictions: Restrictions { referrers, ..Restrictions::default() }, ..policy(number) }
    };
    let lives = (0..1_000).take_while(|&number| admit(number, Some((record(number), restricted(number))))).count();
    let gone = (lives as u64..1_000).take_while(|&number| admit(number, None)).count();
    assert_eq!(recent.len(), lives + gone);
    let bytes = Head::recent_bytes(&recent.to_entries()).expect("a count");
    assert!(bytes > MAX_RECENT_BYTES - 64, "{bytes} bytes");
    recent
}

/// What one change writes: a head that carries as much as it may and warms a next tree, the leaf, and the
/// nodes above it.
fn bytes_of_one_change(keys: u64) -> usize {
    let built_for = built_for();
    let depth = wanted_depth(keys, None, TARGET_RECORDS);
    let mean = keys >> depth;
    // Fuller than any leaf of a million is.
    let count = u32::try_from(mean + 6 * mean.isqrt()).expect("a leaf's records");
    let records = (0..count).map(|number| (fingerprint(number), record(u64::from(number)), number)).collect();
    let policies = (0..u64::from(count)).map(policy).collect();
    let secrets = LiveSecrets::new(records, vec![count as usize], policies).expect("live secrets");
    let place = Place { depth, prefix: 0 };
    let range = secrets.ranges().next().expect("a range");
    let leaf = encode_leaf(built_for.origin(), place, STAMP, range).expect("a leaf");
    let other = ObjectName::of(b"another leaf");
    let (mut tree, _) =
        TreeNames::over_leaves(Shape::of_depth(depth), built_for.origin(), STAMP, vec![other; 1 << depth])
            .expect("a tree");
    let (nodes, _) =
        tree.replace_leaves(built_for.origin(), STAMP, &[(0, ObjectName::of(&leaf))]).expect("a leaf's nodes");
    let recent = full();
    let signer = HeadSigner::new("test".to_owned(), SigningKey::from_seed(&[3; 32])).expect("a signer");
    let parts = HeadParts {
        ack_wanted: false,
        epoch: 1,
        generation: 1,
        issued_at: 1,
        ttl_ms: 1,
        tree_generation: 0,
        settings: other,
        tree: tree.to_tree(),
        // As many names as a top has.
        next: Some(Tree { shape: Shape::of_depth(14), pepper: built_for.pepper, top: vec![other; 128] }),
        // The longest that a head carries.
        checkpoint: &"c".repeat(1_024),
        recent: &recent,
    };
    let head = signer.sign(parts).expect("a head that edges take").bytes.len();
    leaf.len() + nodes.iter().map(|node| node.bytes.len()).sum::<usize>() + head
}

#[test]
fn one_change_takes_as_few_bytes_among_ten_million_keys_as_among_ten_thousand() {
    for keys in [10_000, 100_000, 1_000_000, 10_000_000] {
        let bytes = bytes_of_one_change(keys);
        assert!(bytes <= 128 << 10, "{keys} keys: {bytes} bytes");
    }
}

/// A view of so many secrets, spread as evenly as fingerprints are, of which one has changed.
struct Even(u32);

#[async_trait]
impl PublicationView for Even {
    fn generation(&self) -> u64 {
        2
    }

    async fn changes_after(&mut self, _: u64, _: u32, _: u32) -> Result<OutboxBatch, StoreError> {
        unreachable!("a build asks for no changes")
    }

    async fn narrowing_after(&mut self, _: u64, _: u32, _: u32, _: u32) -> Result<Vec<OutboxRow>, StoreError> {
        unreachable!("a build asks for no changes")
    }

    async fn touched_after(&mut self, _: u64) -> Result<(Vec<Fingerprint>, bool), StoreError> {
        Ok((vec![fingerprint(0)], false))
    }

    async fn marks_after(&mut self, _: u64) -> Result<Vec<OutboxMark>, StoreError> {
        unreachable!("a build asks for no changes")
    }

    async fn live_between(&mut self, _: Fingerprint, _: Fingerprint) -> Result<Vec<LiveSecret>, StoreError> {
        unreachable!("a build asks for many ranges")
    }

    async fn live_in(&mut self, ranges: &[(Fingerprint, Fingerprint)]) -> Result<Option<LiveSecrets>, StoreError> {
        let all: Vec<_> = (0..self.0).map(|number| (number, fingerprint(number * (u32::MAX / self.0)))).collect();
        let (mut records, mut ends) = (Vec::new(), Vec::new());
        for (from, to) in ranges {
            let before = records.len();
            let within = all.iter().filter(|(_, fingerprint)| (from..=to).contains(&fingerprint));
            records.extend(within.map(|&(number, fingerprint)| (fingerprint, record(number.into()), 0)));
            assert!((records.len() - before) as u64 <= LEAF_RECORDS, "more read than a leaf holds");
            ends.push(records.len());
        }
        Ok(LiveSecrets::new(records, ends, vec![policy(1)]))
    }

    async fn live_count(&mut self) -> Result<u64, StoreError> {
        Ok(self.0.into())
    }

    async fn settings(&mut self) -> Result<Settings, StoreError> {
        unreachable!("a build asks for no settings")
    }
}

#[tokio::test]
async fn a_tree_that_is_far_too_shallow_is_not_read_to_find_that_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite:{}", dir.path().join("keyward.db").display());
    let store = SqliteStore::open(&url).await.expect("a store");
    let built_for = built_for();
    let leaf = vec![ObjectName::of(b"the only leaf")];
    let (tree, _) =
        TreeNames::over_leaves(Shape::of_depth(0), built_for.origin(), STAMP, leaf).expect("a tree of one leaf");
    for wanted in [Wanted::After { tree: (tree, 1), deeper: None }, Wanted::AtDepth(0)] {
        let built = build(&store, Box::new(Even(20_000)), &built_for, wanted).await.expect("a tree");
        assert!(built.names.shape.depth() > 0);
    }
}

#[test]
fn the_bounds_of_a_place_are_its_first_and_last_fingerprint() {
    let (first, last) = bounds(Place::ROOT);
    assert_eq!((first.as_bytes(), last.as_bytes()), (&[0; 16], &[0xff; 16]));
    let place = Place { depth: 11, prefix: 77 };
    let (first, last) = bounds(place);
    assert!(place.covers(&first) && place.covers(&last));
    let (next, _) = bounds(Place { depth: 11, prefix: 78 });
    assert!(last < next);
}
