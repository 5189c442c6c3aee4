//! Bulk changes of as many keys as one call takes: more than a head carries, so they wait for a tree,
//! and a single disable does not wait for them.

use keyward_control_plane::lifecycle::{BulkAction, BulkKeys, BulkTarget, DisableKey, KeyListInput};
use keyward_shared::id::WorkspaceId;

use super::house::{House, create, fingerprint};
use super::reader::Reader;
use super::{agrees, publisher};

fn bulk(workspace: WorkspaceId, action: BulkAction) -> BulkKeys {
    let filter = KeyListInput { access: Some("read-only".to_owned()), ..KeyListInput::default() };
    BulkKeys { workspace, target: BulkTarget::Filter { filter: Box::new(filter), cursor: None }, action }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_keys_are_disabled_enabled_and_deleted_at_once_and_a_single_disable_overtakes_them() {
    let house = House::new().await;
    let crowded = house.workspace("crowded").await.id;
    let (single, secret) = house.key(house.workspace("other").await.id, "single").await;
    for number in 0..1_000 {
        house.run(create(crowded, &format!("key {number}"))).await.expect("a key");
    }
    let publishing = publisher(&house, "one").await;
    let mut reader = Reader::new();
    agrees(&house, &publishing, &mut reader).await;
    for action in [BulkAction::Disable, BulkAction::Enable, BulkAction::Delete] {
        let done = house.run(bulk(crowded, action)).await.expect("a bulk change");
        assert_eq!((done.keys.len(), done.next_cursor), (1_000, None));
        if action == BulkAction::Disable {
            house.run(DisableKey { target: single }).await.expect("a disable");
            reader.until(&publishing.source(), |head| head.recent_entry(&fingerprint(&secret)).is_some()).await;
        }
        agrees(&house, &publishing, &mut reader).await;
    }
    publishing.stop().await;
}
