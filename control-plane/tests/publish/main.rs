//! The publisher on a real SQLite file: after every publish, a replica that follows the heads and loads
//! what it lacks says of every secret exactly what the database says, and what a model says that knows
//! neither.

mod bulk;
mod growth;
#[path = "../lifecycle/house.rs"]
#[expect(dead_code, reason = "shared with the tests of the use cases, which need more of it")]
mod house;
mod interrupted;
mod model;
mod reader;
mod receipts;
mod witness;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use house::{House, create, fingerprint, target};
use keyward_control_plane::clock::{Clock, SystemClock};
use keyward_control_plane::domain::edit::Edit;
use keyward_control_plane::domain::settings::SettingsEdit;
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::domain::workspace::WorkspaceStatus;
use keyward_control_plane::lifecycle::notary::Notary;
use keyward_control_plane::lifecycle::{
    DeleteKey, DisableKey, EnableKey, FinishRotation, KeyRef, PatchSettings, PatchWorkspace, PauseRotation,
    ResumeRotation, RotateKey, WorkspaceFields,
};
use keyward_control_plane::publish::{PublishOptions, Publisher, PublisherHandle};
use keyward_control_plane::store::publication::Publication as _;
use keyward_shared::fingerprint::{Fingerprint, Pepper};
use keyward_shared::policy::Access;
use keyward_shared::record::{Deadline, Record, Slot};
use keyward_shared::snapshot::Head;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use reader::Reader;
use zeroize::Zeroizing;

async fn publisher(house: &House, holder: &str) -> PublisherHandle {
    publisher_by(house, holder, Arc::new(SystemClock)).await
}

async fn publisher_by(house: &House, holder: &str, clock: Arc<dyn Clock>) -> PublisherHandle {
    publisher_with(house, holder, clock, Duration::from_secs(1)).await
}

async fn publisher_with(house: &House, holder: &str, clock: Arc<dyn Clock>, warm_up: Duration) -> PublisherHandle {
    let notary = Notary::new(Arc::new(house.store.clone()), "test", &[3; 32]);
    publisher_signing(house, holder, (clock, warm_up), notary).await
}

async fn publisher_signing(
    house: &House,
    holder: &str,
    (clock, warm_up): (Arc<dyn Clock>, Duration),
    notary: Notary,
) -> PublisherHandle {
    let store = Arc::new(house.store.clone());
    let options = options(holder, warm_up);
    Publisher::new(store, (Arc::new(notary), Arc::default()), clock, options).await.expect("a publisher").spawn()
}

fn options(holder: &str, warm_up: Duration) -> PublishOptions {
    PublishOptions {
        deployment: "test".to_owned(),
        signing_seed: Zeroizing::new([3; 32]),
        pepper: Pepper::new([1; 32]).id(),
        kv: None,
        head_ttl: Duration::from_hours(24),
        heartbeat: Duration::from_mins(5),
        kv_min_interval: Duration::from_millis(1_100),
        checkpoint_every: Duration::from_secs(1),
        warm_up,
        collect_every: Duration::from_mins(10),
        holder: holder.to_owned(),
    }
}

/// Follows the publisher until everything committed is published, then compares.
async fn agrees(house: &House, publisher: &PublisherHandle, reader: &mut Reader) {
    let generation = house.generation().await;
    reader.follow(&publisher.source(), generation).await;
    reader.compare(&house.store, &publisher.source()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspension_of_more_keys_than_a_head_carries_stops_each_and_a_disable_overtakes_it() {
    let house = House::new().await;
    let publishing = publisher(&house, "one").await;
    let mut reader = Reader::new();
    let crowded = house.workspace("crowded").await;
    let other = house.workspace("other").await;
    for number in 0..900 {
        house.run(create(crowded.id, &format!("key {number}"))).await.expect("a key");
    }
    let (single, secret) = house.key(other.id, "single").await;
    agrees(&house, &publishing, &mut reader).await;
    let head = reader.head();
    assert!(head.tree.shape.depth() > 0 || head.tree_generation > 0, "the tree took up what does not fit");

    let suspend = |status| PatchWorkspace {
        workspace: crowded.id,
        fields: WorkspaceFields { status: Some(status), ..WorkspaceFields::default() },
    };
    house.run(suspend(WorkspaceStatus::Suspended)).await.expect("a suspension");
    house.run(DisableKey { target: single }).await.expect("a disable");
    reader.until(&publishing.source(), |head| head.recent_entry(&fingerprint(&secret)).is_some()).await;
    agrees(&house, &publishing, &mut reader).await;
    house.run(suspend(WorkspaceStatus::Active)).await.expect("an activation");
    agrees(&house, &publishing, &mut reader).await;
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disable_overtakes_more_bulk_work_than_one_look_at_the_outbox_takes_in() {
    const CROWDED: usize = 6;
    const KEYS: usize = 400;
    let house = House::new().await;
    let (single, secret) = house.key(house.workspace("other").await.id, "single").await;
    let mut crowded = Vec::new();
    for number in 0..CROWDED {
        let workspace = house.workspace(&format!("crowded {number}")).await;
        for number in 0..KEYS {
            house.run(create(workspace.id, &format!("key {number}"))).await.expect("a key");
        }
        crowded.push(workspace.id);
    }
    let publishing = publisher(&house, "one").await;
    let mut reader = Reader::new();
    agrees(&house, &publishing, &mut reader).await;
    publishing.stop().await;
    for workspace in crowded {
        let fields = WorkspaceFields { status: Some(WorkspaceStatus::Suspended), ..WorkspaceFields::default() };
        house.run(PatchWorkspace { workspace, fields }).await.expect("a suspension");
    }
    house.run(DisableKey { target: single }).await.expect("a disable");
    let all = house.generation().await;
    let publishing = publisher(&house, "two").await;
    let ahead = |head: &Head| head.recent_entry(&fingerprint(&secret)).is_some() && head.generation < all;
    reader.until(&publishing.source(), ahead).await;
    agrees(&house, &publishing, &mut reader).await;
    publishing.stop().await;
}

/// A clock that can be wrong.
#[derive(Default)]
struct WrongBy(AtomicI64);

impl Clock for WrongBy {
    fn now(&self) -> UnixMillis {
        UnixMillis::from_millis(SystemClock.now().as_millis() + self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_go_by_the_clock_again_when_one_that_was_ahead_is_set_right() {
    const DAY: i64 = 86_400_000;
    let house = House::new().await;
    let workspace = house.workspace("Acme").await;
    let clock = Arc::new(WrongBy::default());
    let ahead = async |publishing: &PublisherHandle, wanted: bool| {
        let is_ahead =
            |head: Head| head.issued_at > u64::try_from(SystemClock.now().as_millis() + DAY / 2).expect("now");
        let until = async {
            while reader::newest(&publishing.source()).await.is_none_or(|head| is_ahead(head) != wanted) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), until).await.expect("such a head in time");
    };
    clock.0.store(DAY, Ordering::Relaxed);
    let publishing = publisher_by(&house, "one", Arc::clone(&clock) as Arc<_>).await;
    ahead(&publishing, true).await;
    // Set right while it runs.
    clock.0.store(0, Ordering::Relaxed);
    house.key(workspace.id, "one").await;
    ahead(&publishing, false).await;
    // Set right between two runs.
    clock.0.store(DAY, Ordering::Relaxed);
    house.key(workspace.id, "two").await;
    ahead(&publishing, true).await;
    publishing.stop().await;
    let publishing = publisher(&house, "two").await;
    ahead(&publishing, false).await;
    agrees(&house, &publishing, &mut Reader::new()).await;
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_publisher_goes_on_where_the_last_one_stopped() {
    let house = House::new().await;
    let mut reader = Reader::new();
    let workspace = house.workspace("acme").await;
    let first = publisher(&house, "first").await;
    let (kept, _) = house.key(workspace.id, "kept").await;
    agrees(&house, &first, &mut reader).await;
    let (epoch, tree) = (reader.head().epoch, reader.head().tree.clone());
    first.stop().await;

    // Committed while nobody publishes.
    house.run(DisableKey { target: kept }).await.expect("a disable");
    house.key(workspace.id, "new").await;
    let second = publisher(&house, "second").await;
    agrees(&house, &second, &mut reader).await;
    assert_eq!(reader.head().epoch, epoch + 1, "a new lease, a new epoch");
    assert_eq!(reader.head().tree, tree, "the tree is taken up, not built anew");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_work_survives_a_publisher_that_stops_at_any_moment() {
    let house = House::new().await;
    let mut reader = Reader::new();
    let crowded = house.workspace("crowded").await;
    for number in 0..500 {
        house.run(create(crowded.id, &format!("key {number}"))).await.expect("a key");
    }
    let mut publishing = publisher(&house, "first").await;
    agrees(&house, &publishing, &mut reader).await;
    for moment in 0..12_u64 {
        let status = if moment % 2 == 0 { WorkspaceStatus::Suspended } else { WorkspaceStatus::Active };
        let fields = WorkspaceFields { status: Some(status), ..WorkspaceFields::default() };
        house.run(PatchWorkspace { workspace: crowded.id, fields }).await.expect("a change of 500 keys");
        tokio::time::sleep(Duration::from_millis(moment * 30)).await;
        publishing.stop().await;
        publishing = publisher(&house, &moment.to_string()).await;
        agrees(&house, &publishing, &mut reader).await;
    }
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_travel_with_the_head_that_first_knows_them() {
    let house = House::new().await;
    let publishing = publisher(&house, "one").await;
    let mut reader = Reader::new();
    agrees(&house, &publishing, &mut reader).await;
    let edit = SettingsEdit { realm: Some("Acme".to_owned()), accept_header: Edit::Keep, ..SettingsEdit::default() };
    house.run(PatchSettings { edit }).await.expect("settings");
    agrees(&house, &publishing, &mut reader).await;
    assert_eq!(reader.settings().realm, "Acme");
    publishing.stop().await;
}

#[tokio::test]
async fn what_heads_and_what_leaves_are_made_of_is_the_same() {
    let house = House::new().await;
    let mut keys = 0;
    for name in ["Active", "Suspended"] {
        let workspace = house.workspace(name).await;
        for state in ["plain", "expires", "disabled", "rotating", "paused", "paused and disabled", "paused no more"] {
            let mut key = create(workspace.id, state);
            key.fields.expires_at = (state == "expires").then(|| UnixMillis::from_millis(1_900_000_000_000));
            key.fields.access = if state == "plain" { Access::ReadWrite } else { Access::ReadOnly };
            let target = target(&house.run(key).await.expect("a key").key);
            if state.contains("paused") || state == "rotating" {
                house.run(RotateKey { target, grace_seconds: 3_600 }).await.expect("a rotation");
            }
            if state.contains("paused") {
                house.run(PauseRotation { target }).await.expect("a pause");
            }
            if state.contains("disabled") {
                house.run(DisableKey { target }).await.expect("a disable");
            }
            if state == "paused no more" {
                house.run(ResumeRotation { target }).await.expect("an end of the pause");
            }
            keys += 1;
        }
        if name == "Suspended" {
            let fields = WorkspaceFields { status: Some(WorkspaceStatus::Suspended), ..WorkspaceFields::default() };
            house.run(PatchWorkspace { workspace: workspace.id, fields }).await.expect("a suspension");
        }
    }
    let mut view = house.store.view().await.expect("a view");
    let changes = view.changes_after(0, u32::MAX, u32::MAX).await.expect("changes").rows;
    let in_heads: BTreeMap<_, _> = changes.into_iter().filter_map(|row| Some((row.fingerprint?, row.state?))).collect();
    let all = (Fingerprint::from_bytes([0; 16]), Fingerprint::from_bytes([0xff; 16]));
    let live = view.live_in(&[all]).await.expect("live secrets").expect("one range");
    let in_leaves: BTreeMap<_, _> = live
        .ranges()
        .flat_map(|range| range.iter().map(|(fingerprint, record, policy)| (fingerprint, (record, policy.clone()))))
        .collect();
    assert_eq!(in_heads, in_leaves);
    let count = |is: fn(&Record) -> bool| in_leaves.values().filter(|(record, _)| is(record)).count();
    assert_eq!(in_leaves.len(), keys + 8);
    assert_eq!(count(|record| record.slot == Slot::Retiring), 8);
    assert_eq!(count(|record| record.paused), 4);
    assert_eq!(count(|record| record.paused && record.slot == Slot::Current), 0);
    assert_eq!(count(|record| record.disabled), 6);
    assert_eq!(count(|record| record.suspended), 11);
    assert_eq!(count(|record| record.deadline != Deadline::NEVER), 10);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    Disable(usize),
    Enable(usize),
    Rotate(usize, u64),
    Finish(usize),
    Delete(usize),
    Restart,
    Publish,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        4 => Just(Step::Create),
        3 => any::<usize>().prop_map(Step::Disable),
        2 => any::<usize>().prop_map(Step::Enable),
        3 => (any::<usize>(), prop_oneof![Just(0), Just(3_600)]).prop_map(|(key, grace)| Step::Rotate(key, grace)),
        1 => any::<usize>().prop_map(Step::Finish),
        2 => any::<usize>().prop_map(Step::Delete),
        1 => Just(Step::Restart),
        2 => Just(Step::Publish),
    ];
    prop::collection::vec(one, 20..60)
}

/// Tries so many cases as are configured. `proptest!` would ask the environment again and do as many as a
/// long run wants of what takes no time: days.
fn on_every<S: Strategy, F: Future<Output = ()>>(config: ProptestConfig, inputs: &S, test: impl Fn(S::Value) -> F) {
    let mut runner = TestRunner::new(ProptestConfig { source_file: Some(file!()), ..config });
    let outcome = runner.run(inputs, |input| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(test(input));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}\n{runner}");
    }
}

#[test]
fn whatever_happens_to_keys_the_snapshot_says_what_the_database_says() {
    on_every(ProptestConfig { cases: 4, ..ProptestConfig::default() }, &steps(), happen);
}

async fn happen(steps: Vec<Step>) {
    let house = House::new().await;
    let workspace = house.workspace("acme").await;
    let mut publishing = publisher(&house, "0").await;
    let mut reader = Reader::new();
    let mut keys: Vec<KeyRef> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        let at = |index: usize| keys.get(index % keys.len().max(1)).copied();
        // A step that the key's state refuses changes nothing, which is compared as well.
        match step {
            Step::Create => {
                let created = house.run(create(workspace.id, &format!("key {number}"))).await.expect("a key");
                keys.push(target(&created.key));
            }
            Step::Disable(index) => {
                if let Some(target) = at(index) {
                    let _ = house.run(DisableKey { target }).await;
                }
            }
            Step::Enable(index) => {
                if let Some(target) = at(index) {
                    let _ = house.run(EnableKey { target }).await;
                }
            }
            Step::Rotate(index, grace_seconds) => {
                if let Some(target) = at(index) {
                    let _ = house.run(RotateKey { target, grace_seconds }).await;
                }
            }
            Step::Finish(index) => {
                if let Some(target) = at(index) {
                    let _ = house.run(FinishRotation { target }).await;
                }
            }
            Step::Delete(index) => {
                if let Some(target) = at(index) {
                    let _ = house.run(DeleteKey { target }).await;
                }
            }
            Step::Restart => {
                publishing.stop().await;
                publishing = publisher(&house, &number.to_string()).await;
            }
            Step::Publish => agrees(&house, &publishing, &mut reader).await,
        }
    }
    agrees(&house, &publishing, &mut reader).await;
    publishing.stop().await;
}
