//! Events that change nothing: edges bear witness to them all the same, and soon.

use std::time::{Duration, Instant};

use keyward_control_plane::clock::SystemClock;
use keyward_control_plane::domain::audit::checkpoint::Checkpoint;
use keyward_control_plane::domain::audit::note;
use keyward_control_plane::lifecycle::last_signed::LastSigned;
use keyward_control_plane::lifecycle::notary::Notary;
use keyward_control_plane::publish::PublisherHandle;
use keyward_control_plane::store::AuditStore as _;
use keyward_control_plane::store::sqlite::SqliteStore;
use sqlx::Row as _;
use std::sync::Arc;

use crate::house::{House, system};
use crate::{publisher, publisher_signing, reader};

/// The checkpoint of the newest head that covers so many events, and how long that took.
async fn covering(house: &House, publishing: &PublisherHandle, size: u64) -> (Checkpoint, Duration) {
    let notary = Notary::new(Arc::new(house.store.clone()), "test", &[3; 32]);
    let key = notary.verifier(1).expect("a key");
    let began = Instant::now();
    loop {
        let head = reader::newest(&publishing.source()).await.filter(|head| !head.checkpoint.is_empty());
        if let Some(head) = head {
            let note = String::from_utf8(head.checkpoint).expect("text");
            let text = note::open(&note, std::slice::from_ref(&key)).expect("signed");
            let checkpoint = Checkpoint::parse(text).expect("a checkpoint");
            if checkpoint.size >= size {
                return (checkpoint, began.elapsed());
            }
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no checkpoint of {size} events");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_change_nothing_are_in_a_heads_checkpoint_when_its_time_has_come() {
    let house = House::new().await;
    let publishing = publisher(&house, "one").await;
    let generation = house.generation().await;
    // The epoch's own event.
    let mut size = u64::try_from(house.events().await).expect("few");
    covering(&house, &publishing, size.max(3)).await;
    for _ in 0..3 {
        house.lifecycle.signed_in(&system(), house.now()).await.expect("told");
        size = u64::try_from(house.events().await).expect("few");
        let (checkpoint, took) = covering(&house, &publishing, size).await;
        let tree = house.store.tree().await.expect("the tree").edge;
        assert_eq!((checkpoint.size, checkpoint.root), (tree.size(), tree.root()));
        assert!(took < Duration::from_secs(10), "{took:?} with a checkpoint each second");
    }
    assert_eq!(house.generation().await, generation);
    publishing.stop().await;
}

/// How many events there are.
async fn size(house: &House) -> u64 {
    u64::try_from(house.events().await).expect("few")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_signed_is_signed_when_it_can_be_though_nothing_more_comes() {
    let house = House::new().await;
    let dir = tempfile::tempdir().expect("a directory");
    let away = dir.path().join("away");
    let notary = Notary::new(Arc::new(house.store.clone()), "test", &[3; 32]).keeping(LastSigned::of("test", &away));
    let timing = (Arc::new(SystemClock) as Arc<_>, Duration::from_secs(1));
    let publishing = publisher_signing(&house, "one", timing, notary).await;
    // Longer than a checkpoint takes to be due.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let head = reader::newest(&publishing.source()).await.expect("a head all the same");
    assert!(head.checkpoint.is_empty());
    std::fs::create_dir(&away).expect("a directory");
    let (_, took) = covering(&house, &publishing, size(&house).await).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    publishing.stop().await;
}

/// Events of the newest checkpoint.
async fn signed(house: &House) -> u64 {
    house.store.newest_checkpoint().await.expect("the database").expect("a checkpoint").size
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_last_is_signed_before_a_publisher_stops() {
    let house = House::new().await;
    let publishing = publisher(&house, "one").await;
    covering(&house, &publishing, size(&house).await.max(3)).await;
    house.lifecycle.signed_in(&system(), house.now()).await.expect("told");
    publishing.stop().await;
    assert_eq!(signed(&house).await, size(&house).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_logs_is_in_a_heads_checkpoint_too() {
    let house = House::new().await;
    let publishing = publisher(&house, "one").await;
    covering(&house, &publishing, size(&house).await.max(3)).await;
    let file: String = house.rows("PRAGMA database_list").await[0].get("file");
    let other = SqliteStore::open(&format!("sqlite:{file}")).await.expect("a store");
    let event = keyward_control_plane::domain::audit::publishing::epoch_acquired(house.now(), "somebody", 0, 1);
    let told = other.tell(vec![event]).await.expect("told");
    covering(&house, &publishing, told).await;
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_that_goes_wrong_again_and_again_stays_in_its_epoch() {
    let house = House::new().await;
    let publishing = publisher(&house, "one").await;
    covering(&house, &publishing, size(&house).await.max(3)).await;
    house.rows("ALTER TABLE snapshot_head RENAME TO away").await;
    let before = size(&house).await;
    // Has a head made, which goes wrong.
    house.key(house.workspace("acme").await.id, "key").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(size(&house).await, before + 2, "the workspace and the key alone");
    assert_eq!(signed(&house).await, before + 2, "what goes wrong is nothing to the log");
    house.rows("ALTER TABLE away RENAME TO snapshot_head").await;
    covering(&house, &publishing, before + 2).await;
    assert_eq!(size(&house).await, before + 2);
    publishing.stop().await;
}
