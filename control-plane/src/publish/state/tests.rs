//! What only shows from inside: when a tree is built, and of what.

mod checkpoints;
mod history;
mod refused;
mod staged;
mod unanswered;
mod uploads;

use std::cell::Cell;
use std::sync::Arc;

use keyward_shared::fingerprint::Pepper;
use keyward_shared::id::WorkspaceId;
use keyward_shared::policy::Access;
use serde_json::Map;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::domain::actor::Actor;
use crate::domain::key::Environment;
use crate::domain::restrictions::RestrictionsInput;
use crate::domain::workspace::WorkspaceStatus;
use crate::lifecycle::notary::Notary;
use crate::lifecycle::vault::Kek;
use crate::lifecycle::{
    Context, CreateKey, CreateWorkspace, Entropy, KeyFields, KeySource, Lifecycle, PatchWorkspace, PutApi, Vault, Verb,
    WorkspaceFields,
};
use crate::publish::{PublishOptions, TARGET_RECORDS};
use crate::receipts::Receipts;
use crate::store::sqlite::SqliteStore;

const HOLDER: &str = "test";

/// Keys of one workspace, and a publisher that is led step by step.
struct House {
    dir: TempDir,
    store: Arc<SqliteStore>,
    receipts: Arc<Receipts>,
    lifecycle: Lifecycle,
    publisher: Publisher,
    workspace: WorkspaceId,
    drawn: Cell<u64>,
}

impl House {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite:{}", dir.path().join("keyward.db").display());
        let store = SqliteStore::open(&url).await.expect("a store");
        let vault = Vault::new(Pepper::new([1; 32]), Kek::new([2; 32]));
        let lifecycle = Lifecycle::new(Arc::new(store.clone()), Arc::new(vault));
        let store = Arc::new(store);
        let publisher = publisher(&store, options()).await;
        let receipts = Arc::clone(&publisher.shared.receipts);
        let (workspace, drawn) = (WorkspaceId::from_u64(0), Cell::new(0));
        let mut house = Self { dir, store, receipts, lifecycle, publisher, workspace, drawn };
        house.run(PutApi { name: "data".to_owned(), title: None, routes: Vec::new() }).await;
        let workspace = CreateWorkspace {
            name: "acme".to_owned(),
            slug: None,
            staff_max_access: None,
            reveal: None,
            max_keys: None,
            external_id: None,
            metadata: Map::new(),
        };
        house.workspace = house.run(workspace).await.id;
        house
    }

    async fn run<V: Verb>(&self, verb: V) -> V::Answer {
        self.drawn.set(self.drawn.get() + 1);
        let mut bytes = [0; Entropy::BYTES];
        for (part, chunk) in (0_u8..).zip(bytes.chunks_mut(32)) {
            chunk.copy_from_slice(
                &Sha256::new().chain_update(self.drawn.get().to_be_bytes()).chain_update([part]).finalize(),
            );
        }
        let context = Context::new(Actor::system("test"), SystemClock.now(), Entropy::from_bytes(&bytes));
        self.lifecycle.execute(&context, verb).await.expect("done").0
    }

    /// Creates keys that share one policy.
    async fn keys(&self, number: usize) {
        self.keys_with(number, |_| RestrictionsInput::default()).await;
    }

    /// Creates keys of about a kilobyte each, for each has a policy of its own.
    async fn fat_keys(&self, number: usize) {
        let referrer = |key, number| format!("example.com/{key}/{number}/{}", "p".repeat(200));
        let restrictions = |key| (0..4).map(|number| referrer(key, number)).collect();
        self.keys_with(number, |key| RestrictionsInput { referrers: restrictions(key), ..Default::default() }).await;
    }

    async fn keys_with(&self, number: usize, restrictions: impl Fn(u64) -> RestrictionsInput) {
        for _ in 0..number {
            let fields = KeyFields {
                name: format!("key {}", self.drawn.get()),
                access: Access::ReadOnly,
                apis: vec!["data".to_owned()],
                environment: Environment::Live,
                member_id: None,
                team_id: None,
                expires_at: None,
                rotate_every_days: None,
                restrictions: restrictions(self.drawn.get()),
                external_id: None,
                metadata: Map::new(),
            };
            self.run(CreateKey { workspace: self.workspace, fields, source: KeySource::Generate }).await;
        }
    }

    async fn set(&self, status: WorkspaceStatus) {
        let fields = WorkspaceFields { status: Some(status), ..WorkspaceFields::default() };
        self.run(PatchWorkspace { workspace: self.workspace, fields }).await;
    }
}

fn options() -> PublishOptions {
    PublishOptions {
        deployment: "test".to_owned(),
        signing_seed: Zeroizing::new([3; 32]),
        pepper: Pepper::new([1; 32]).id(),
        kv: None,
        head_ttl: Duration::from_hours(24),
        heartbeat: Duration::from_mins(5),
        kv_min_interval: Duration::from_millis(1_100),
        checkpoint_every: Duration::from_mins(1),
        warm_up: Duration::from_hours(1),
        leaf_records: TARGET_RECORDS,
        collect_every: Duration::from_mins(10),
        holder: HOLDER.to_owned(),
    }
}

/// A publisher of this database, as a process that has just started has it.
async fn publisher(store: &Arc<SqliteStore>, options: PublishOptions) -> Publisher {
    let notary = Notary::new(Arc::clone(store) as Arc<_>, &options.deployment, &options.signing_seed);
    let with = (Arc::new(notary) as Arc<_>, Arc::default());
    Publisher::new(Arc::clone(store) as Arc<_>, with, Arc::new(SystemClock), options).await.expect("a publisher")
}

/// Takes up publishing and serves a first head.
async fn resumed(publisher: &Publisher) -> State<'_> {
    let now = publisher.shared.now();
    let until = UnixMillis::from_millis(now.as_millis() + 3_600_000);
    let epoch = publisher.shared.store.acquire_lease(HOLDER, now, until).await.expect("a store").expect("the lease");
    let (deployment, pepper) = ("test".to_owned(), publisher.options.pepper);
    let built_for = BuildFor { deployment, pepper, epoch, leaf_records: TARGET_RECORDS };
    let mut state = State::resume(publisher, built_for).await.expect("a publisher's state");
    assert!(state.step(Occasion::Heartbeat).await.expect("a step"));
    state
}

/// Builds what there is to be built and takes it, and serves a head of it.
async fn build(state: &mut State<'_>) {
    state.start_building_where_due();
    let built = finished(&mut state.building).await.expect("a tree");
    state.adopt(built).await.expect("adopted");
    assert!(state.step(Occasion::News).await.expect("a step"));
}

#[tokio::test]
async fn of_changes_too_large_for_a_head_only_one_that_narrows_ends_the_rest_between_builds() {
    let house = House::new().await;
    house.keys(LARGEST_CARRIED as usize + 1).await;
    let mut state = resumed(&house.publisher).await;
    let rest = Instant::now() + Duration::from_hours(1);
    for (status, ends_it) in [(WorkspaceStatus::Suspended, true), (WorkspaceStatus::Active, false)] {
        house.set(status).await;
        state.rest_until = Some(rest);
        state.step(Occasion::News).await.expect("a step");
        assert!(state.waits_for_tree);
        assert_eq!(state.tree_due.is_some_and(|due| due < rest), ends_it, "{status:?}");
        state.tree_due = Some(Instant::now());
        build(&mut state).await;
    }
}

#[tokio::test]
async fn what_a_tree_holds_too_hurries_no_further_tree() {
    let house = House::new().await;
    let mut state = resumed(&house.publisher).await;
    house.keys(HALF_FULL).await;
    assert!(state.step(Occasion::News).await.expect("a step"));
    assert!(state.tree_due.is_some_and(|due| due <= Instant::now()), "half full of what no tree holds");
    build(&mut state).await;
    for _ in 0..2 {
        house.keys(1).await;
        assert!(state.step(Occasion::News).await.expect("a step"));
        assert!(state.recent.len() > HALF_FULL, "it is carried on");
        assert!(state.tree_due.is_some_and(|due| due > Instant::now() + TREE_IDLE / 2));
    }
}

#[tokio::test]
async fn a_head_says_that_somebody_waits_while_somebody_does() {
    let house = House::new().await;
    let mut state = resumed(&house.publisher).await;
    let wanted = || {
        let head = house.publisher.shared.head.borrow().clone().expect("a head");
        house.publisher.shared.signer.read(&head.bytes).expect("a head that verifies").ack_wanted
    };
    let somebody = house.receipts.want();
    assert!(!state.step(Occasion::News).await.expect("a step"), "that somebody waits is no news by itself");
    assert!(!wanted());
    house.keys(1).await;
    assert!(state.step(Occasion::News).await.expect("a step"));
    assert!(wanted());
    drop(somebody);
    house.keys(1).await;
    assert!(state.step(Occasion::News).await.expect("a step"));
    assert!(!wanted());
}

/// Fat keys that one leaf takes.
const FULL: usize = 500;
/// More of them than it takes beside those.
const MORE: usize = 100;

#[tokio::test]
async fn a_leaf_that_is_too_large_has_the_tree_that_is_being_warmed_take_over_at_once() {
    let house = House::new().await;
    house.fat_keys(FULL).await;
    let mut state = resumed(&house.publisher).await;
    assert_eq!(state.trees.current.shape.depth(), 0);
    state.trees.wanted_depth = 9;
    build(&mut state).await;
    let warmed: Vec<_> = state.trees.next.as_ref().expect("a next tree").names.names().copied().collect();
    house.fat_keys(MORE).await;
    state.step(Occasion::News).await.expect("a step");
    state.tree_due = Some(Instant::now());
    build(&mut state).await;
    assert_eq!((state.trees.current.shape.depth(), state.trees.next.is_none()), (9, true));
    let kept = state.trees.current.names().filter(|name| warmed.contains(name)).count();
    assert!(kept > warmed.len() / 2, "{kept} of {} objects that edges may have loaded", warmed.len());
}

#[tokio::test]
async fn a_tree_that_fat_policies_deepened_is_left_as_deep() {
    let house = House::new().await;
    house.fat_keys(FULL).await;
    let mut state = resumed(&house.publisher).await;
    house.fat_keys(MORE).await;
    state.step(Occasion::News).await.expect("a step");
    state.tree_due = Some(Instant::now());
    build(&mut state).await;
    assert_eq!((state.trees.current.shape.depth(), state.trees.wanted_depth), (1, 1));
}
