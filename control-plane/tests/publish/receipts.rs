//! What is kept of heads: when a generation was first published, and when every head before it has expired.

use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::store::publication::Publication as _;
use keyward_control_plane::store::{EdgeStore as _, Published, ReceiptQuery};
use keyward_shared::snapshot::HeadOrder;

use crate::house::House;
use crate::publisher;
use crate::reader::Reader;

const DAY: i64 = 86_400_000;

async fn published(house: &House, generation: u64) -> Option<Published> {
    let query =
        ReceiptQuery { generation, unconfirmed_since: UnixMillis::from_millis(0), clock_ms: 300_000, limit: 10 };
    house.store.receipt(&query).await.expect("a store").expect("a generation that was committed").published
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_generation_is_published_by_the_first_head_that_carries_it() {
    let house = House::new().await;
    let workspace = house.workspace("acme").await;
    let unpublished = house.generation().await;
    assert_eq!(published(&house, unpublished).await, None);
    let publishing = publisher(&house, "one").await;
    let mut reader = Reader::new();
    reader.follow(&publishing.source(), unpublished).await;
    let first = published(&house, unpublished).await.expect("published");
    assert_eq!((first.older_expire_at, first.sent_at), (None, None));
    assert_eq!(first.certain_at(300_000), first.at, "there was no head before it");
    assert_eq!(published(&house, 1).await, Some(first), "it carries all that was before");

    house.key(workspace.id, "one").await;
    let second = house.generation().await;
    reader.follow(&publishing.source(), second).await;
    let later = published(&house, second).await.expect("published");
    assert!(later.at > first.at);
    let older = later.older_expire_at.expect("heads before it").as_millis();
    assert!((first.at.as_millis() + DAY..=later.at.as_millis() + DAY).contains(&older), "{later:?}");
    assert_eq!(later.certain_at(300_000).as_millis(), older + 300_000);
    assert_eq!(published(&house, unpublished).await, Some(first), "a later head changes nothing of it");

    // What is in Workers KV carries all that is before, and nothing that comes later.
    publishing.stop().await;
    let order = HeadOrder { epoch: 1, generation: unpublished, issued_at: 1 };
    let sent_at = UnixMillis::from_millis(later.at.as_millis() + 5);
    house.store.mark_head_sent(order, sent_at).await.expect("noted");
    assert_eq!(published(&house, unpublished).await.expect("published").sent_at, Some(sent_at));
    assert_eq!(published(&house, second).await.expect("published").sent_at, None);
    let order = HeadOrder { epoch: 1, generation: second, issued_at: 2 };
    house.store.mark_head_sent(order, UnixMillis::from_millis(sent_at.as_millis() + 5)).await.expect("noted");
    assert_eq!(published(&house, unpublished).await.expect("published").sent_at, Some(sent_at), "the first time");

    // One that was superseded hears late of what it wrote.
    let recorded = async || house.store.recorded_head().await.expect("a store").expect("a head");
    let before = recorded().await.sent.expect("sent");
    assert_eq!(before.0, order);
    let late = HeadOrder { epoch: 1, generation: unpublished, issued_at: 3 };
    house.store.mark_head_sent(late, UnixMillis::from_millis(sent_at.as_millis() + 9)).await.expect("noted");
    assert_eq!(recorded().await.sent, Some(before));
}
