//! A publisher whose database fails it: what it serves then, and how it keeps the lease.

mod shared_database;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyward_control_plane::clock::{Clock as _, SystemClock};
use keyward_control_plane::lifecycle::notary::Notary;
use keyward_control_plane::publish::{Publisher, PublisherHandle};
use keyward_control_plane::store::publication::Publication as _;
use tokio::time::{Instant, sleep, timeout};

use self::shared_database::SharedDatabase;
use crate::house::{House, create};
use crate::reader::{self, Reader};
use crate::{agrees, options, publisher};

const PATIENCE: Duration = Duration::from_secs(20);
const LEASE: Duration = Duration::from_secs(30);
const LEASE_RENEWAL: Duration = Duration::from_secs(10);

/// A publisher over a database that others may share.
async fn sharing(house: &House, database: &Arc<SharedDatabase>) -> PublisherHandle {
    let notary = Notary::new(Arc::new(house.store.clone()), "test", &[3; 32]);
    let with = (Arc::new(notary) as Arc<_>, Arc::default());
    let (store, options) = (Arc::clone(database) as Arc<_>, options("one", Duration::from_secs(1)));
    Publisher::new(store, with, Arc::new(SystemClock), options).await.expect("a publisher").spawn()
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Lets time go by at once.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Whether `head` is the one that is served.
async fn serves(publishing: &PublisherHandle) -> bool {
    publishing.source().head().await.is_some()
}

#[tokio::test]
async fn who_cannot_reach_the_database_serves_no_head_once_another_may_publish() {
    for alone in [false, true] {
        let house = House::new().await;
        let database = Arc::new(SharedDatabase::over(&house.store, alone));
        let publishing = sharing(&house, &database).await;
        until("a first head", async || serves(&publishing).await).await;
        let first = reader::newest(&publishing.source()).await.expect("a head").order();
        database.is_away.store(true, Ordering::SeqCst);
        pass(LEASE_RENEWAL + LEASE_RENEWAL / 2).await;
        sleep(Duration::from_millis(200)).await;
        assert!(serves(&publishing).await, "the lease is its own still");
        pass(LEASE).await;
        sleep(Duration::from_millis(200)).await;
        // Where it is alone, nobody publishes anything that it does not know of.
        assert_eq!(serves(&publishing).await, alone);
        database.is_away.store(false, Ordering::SeqCst);
        until("a head once the database is back", async || serves(&publishing).await).await;
        let head = reader::newest(&publishing.source()).await.expect("a head").order();
        assert!(head >= first && head.epoch == first.epoch, "nobody had the lease meanwhile: {head:?}");
        publishing.stop().await;
    }
}

#[tokio::test]
async fn an_epoch_that_another_has_gone_past_is_not_used_again() {
    let house = House::new().await;
    let database = Arc::new(SharedDatabase::over(&house.store, false));
    let publishing = sharing(&house, &database).await;
    until("a first head", async || serves(&publishing).await).await;
    let first = reader::newest(&publishing.source()).await.expect("a head").order();
    let now = SystemClock.now();
    let passed = house.store.acquire_lease("another", now, now).await.expect("a store").expect("the lease");
    assert_eq!(passed, first.epoch + 1);
    database.loses_an_answer.store(true, Ordering::SeqCst);
    pass(LEASE_RENEWAL + Duration::from_secs(1)).await;
    let newer = async || reader::newest(&publishing.source()).await.is_some_and(|head| head.order() > first);
    until("a head after the lease was lost and taken again", newer).await;
    assert!(!database.loses_an_answer.load(Ordering::SeqCst));
    let head = reader::newest(&publishing.source()).await.expect("a head").order();
    assert!(head.epoch > passed, "{head:?}");
    publishing.stop().await;
}

#[tokio::test]
async fn the_lease_is_kept_while_a_first_tree_takes_long() {
    let house = House::new().await;
    let database = Arc::new(SharedDatabase::over(&house.store, false));
    let room = database.staging.acquire().await.expect("open");
    let publishing = sharing(&house, &database).await;
    until("a tree to be recorded", async || database.is_staging.load(Ordering::SeqCst)).await;
    for _ in 0..2 {
        let before = database.renewals.load(Ordering::SeqCst);
        pass(LEASE_RENEWAL + Duration::from_secs(1)).await;
        until("a renewal", async || database.renewals.load(Ordering::SeqCst) > before).await;
    }
    assert!(!serves(&publishing).await);
    drop(room);
    until("a first head", async || serves(&publishing).await).await;
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trees_that_fail_again_and_again_make_no_heads_that_say_nothing_new() {
    let house = House::new().await;
    let publishing = publisher(&house, "one").await;
    let mut reader = Reader::new();
    let workspace = house.workspace("acme").await;
    agrees(&house, &publishing, &mut reader).await;
    let mut connection = house.connection().await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON snapshot_object BEGIN SELECT RAISE(ABORT, 'full'); END";
    sqlx::raw_sql(full).execute(&mut connection).await.expect("a trigger");
    // So many that the tree is to take them up at once.
    for number in 0..300 {
        house.run(create(workspace.id, &format!("key {number}"))).await.expect("a key");
    }
    reader.follow(&publishing.source(), house.generation().await).await;
    let failing = async || publishing.source().status().await.expect("a status").last_error.is_some();
    until("a tree that fails", failing).await;
    // A last checkpoint is made of what was logged.
    sleep(Duration::from_secs(2)).await;
    let before = reader::newest(&publishing.source()).await.expect("a head").order();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(6) {
        sleep(Duration::from_millis(100)).await;
        let head = reader::newest(&publishing.source()).await.expect("a head").order();
        assert_eq!(head, before, "{:?} after nothing had changed", began.elapsed());
    }
    assert!(failing().await, "nobody is told");
    // What does change goes out all the same.
    house.key(workspace.id, "one more").await;
    let generation = house.generation().await;
    reader.until(&publishing.source(), |head| head.generation >= generation).await;
    sqlx::raw_sql("DROP TRIGGER full").execute(&mut connection).await.expect("dropped");
    reader.until(&publishing.source(), |head| head.tree_generation >= generation).await;
    agrees(&house, &publishing, &mut reader).await;
    until("an end of what is told", async || !failing().await).await;
    publishing.stop().await;
}
