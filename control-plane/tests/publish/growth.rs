//! A tree that is deepened: named beside the running one first, with its objects there and with all
//! that changes meanwhile, also over restarts.

use std::sync::Arc;
use std::time::Duration;

use keyward_control_plane::api::snapshot::SnapshotSource;
use keyward_control_plane::clock::SystemClock;
use keyward_control_plane::domain::workspace::Workspace;
use keyward_control_plane::lifecycle::{DeleteKey, DisableKey, RotateKey};
use keyward_control_plane::publish::PublisherHandle;
use keyward_control_plane::store::publication::Publication as _;
use keyward_shared::snapshot::Head;

use super::house::{House, create};
use super::reader::Reader;
use super::{agrees, publisher_with};

/// Far more than a test takes.
const LONG: Duration = Duration::from_hours(1);

/// A house whose tree is one leaf, with as many keys as one leaf of the size aimed at has.
async fn house_with_one_leaf() -> (House, Workspace) {
    let house = House::new().await;
    let workspace = house.workspace("acme").await;
    grow(&house, &workspace, 0..700).await;
    (house, workspace)
}

/// Creates the keys with these numbers.
async fn grow(house: &House, workspace: &Workspace, keys: core::ops::Range<usize>) {
    for number in keys {
        house.run(create(workspace.id, &format!("key {number}"))).await.expect("a key");
    }
}

async fn publisher(house: &House, holder: &str, warm_up: Duration) -> PublisherHandle {
    publisher_with(house, holder, Arc::new(SystemClock), warm_up).await
}

fn is_preparing(head: &Head) -> bool {
    head.next.is_some()
}

fn is_deeper(head: &Head) -> bool {
    head.next.is_none() && head.tree.shape.depth() == 2
}

/// What is left beside the tree's four leaves and the settings.
async fn left_over(house: &House) -> u64 {
    house.store.object_totals().await.expect("totals").objects - 5
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deeper_tree_is_named_with_all_its_objects_before_it_takes_the_running_ones_place() {
    let (house, workspace) = house_with_one_leaf().await;
    let (key, _) = house.key(workspace.id, "disabled meanwhile").await;
    let publishing = publisher(&house, "one", Duration::from_secs(4)).await;
    let source: Arc<dyn SnapshotSource> = publishing.source();
    let mut reader = Reader::new();
    agrees(&house, &publishing, &mut reader).await;
    assert_eq!(reader.head().tree.shape.depth(), 0);
    grow(&house, &workspace, 700..1_700).await;
    reader.until(&source, is_preparing).await;
    let head = reader.head().clone();
    let next = head.next.expect("a next tree");
    assert_eq!((head.tree.shape.depth(), next.shape.depth()), (0, 2), "not both at once");
    for name in &next.top {
        assert!(source.object(&name.to_string()).await.expect("an answer").is_some(), "{name} is not there");
    }
    house.run(DisableKey { target: key }).await.expect("a disable");
    house.key(workspace.id, "made meanwhile").await;
    agrees(&house, &publishing, &mut reader).await;
    reader.until(&source, is_deeper).await;
    agrees(&house, &publishing, &mut reader).await;
    assert_eq!(left_over(&house).await, 0, "the old tree is retired");
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deeper_tree_takes_the_running_ones_place_also_where_nothing_has_changed_since() {
    let (house, workspace) = house_with_one_leaf().await;
    let publishing = publisher(&house, "one", Duration::from_secs(1)).await;
    let mut reader = Reader::new();
    grow(&house, &workspace, 700..1_700).await;
    agrees(&house, &publishing, &mut reader).await;
    reader.until(&publishing.source(), is_deeper).await;
    agrees(&house, &publishing, &mut reader).await;
    publishing.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_is_being_warmed_is_taken_up_by_the_next_publisher() {
    let (house, workspace) = house_with_one_leaf().await;
    let mut reader = Reader::new();
    let mut keys = Vec::new();
    for name in ["disabled", "deleted", "rotated"] {
        keys.push(house.key(workspace.id, name).await.0);
    }
    let publishing = publisher(&house, "one", LONG).await;
    agrees(&house, &publishing, &mut reader).await;
    grow(&house, &workspace, 700..1_700).await;
    reader.until(&publishing.source(), is_preparing).await;
    let head = reader.head().clone();
    house.run(DisableKey { target: keys[0] }).await.expect("a disable");
    agrees(&house, &publishing, &mut reader).await;
    publishing.stop().await;

    house.run(DeleteKey { target: keys[1] }).await.expect("a deletion");
    let publishing = publisher(&house, "two", LONG).await;
    reader.until(&publishing.source(), |newer| newer.epoch > head.epoch).await;
    assert_eq!(reader.head().next, head.next);
    // More than a head carries, so that the running tree takes up what the warmed one does not have.
    grow(&house, &workspace, 1_700..2_300).await;
    house.run(RotateKey { target: keys[2], grace_seconds: 0 }).await.expect("a rotation");
    agrees(&house, &publishing, &mut reader).await;
    assert!(reader.head().tree_generation > head.generation && reader.head().next == head.next);
    publishing.stop().await;

    let publishing = publisher(&house, "three", Duration::from_secs(1)).await;
    reader.until(&publishing.source(), is_deeper).await;
    agrees(&house, &publishing, &mut reader).await;
    assert_eq!(left_over(&house).await, 0, "the old trees are retired");
    publishing.stop().await;
}
