//! Whether Workers KV tells the same history, where more than one process may publish.

use tokio::sync::mpsc;

use super::checkpoints::{client, namespace};
use super::*;
use crate::publish::history::compare;

#[tokio::test]
async fn what_another_compared_and_wrote_halts_no_standby() {
    let house = House::new().await;
    let standby = publisher(&house.store, options()).await;
    let _state = resumed(&house.publisher).await;
    let written = house.publisher.shared.head.borrow().clone().expect("a head").bytes.clone();
    let kv = client(&namespace(mpsc::unbounded_channel().0, Some(written)).await);

    let ahead = compare(kv.as_ref(), &standby.shared).await;
    assert!(matches!(ahead, Err(PublishError::AheadOfRecord(_))), "recorded, and never compared: {ahead:?}");
    assert!(!standby.shared.is_compared());
    house.publisher.shared.note_compared(0).await.expect("noted");
    compare(kv.as_ref(), &standby.shared).await.expect("a head that was compared after the standby had started");
    assert!(standby.shared.is_compared());
}
