//! Events that change nothing: edges bear witness to them all the same, and soon.

use std::time::{Duration, Instant};

use keyward_control_plane::domain::audit::checkpoint::Checkpoint;
use keyward_control_plane::domain::audit::note;
use keyward_control_plane::lifecycle::notary::Notary;
use keyward_control_plane::publish::PublisherHandle;
use keyward_control_plane::store::AuditStore as _;
use std::sync::Arc;

use crate::house::{House, system};
use crate::{publisher, reader};

/// The checkpoint of the newest head that covers so many events, and how long that took.
async fn covering(house: &House, publishing: &PublisherHandle, size: u64) -> (Checkpoint, Duration) {
    let notary = Notary::new(Arc::new(house.store.clone()), "test", &[3; 32]);
    let key = notary.verifier(1).expect("a key");
    let began = Instant::now();
    loop {
        if let Some(head) = reader::newest(&publishing.source()).await {
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
