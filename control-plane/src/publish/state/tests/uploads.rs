//! What is written to Workers KV, and what is served when publishing stops meanwhile.

use std::sync::{Mutex, OnceLock};

use async_trait::async_trait;

use super::checkpoints::behind;
use super::*;
use crate::lifecycle::notary::Witness;
use crate::publish::history::compare;
use crate::publish::kv::{KvApi, KvError};
use crate::publish::source::Shared;
use crate::publish::upload::Uploader;
use crate::store::publication::NewHead;

/// A namespace that keeps its head and how many pairs each bulk write had.
#[derive(Default)]
struct Namespace {
    head: Mutex<Option<Vec<u8>>>,
    bulks: Mutex<Vec<usize>>,
}

impl Namespace {
    fn head(&self) -> Option<Vec<u8>> {
        self.head.lock().expect("one at a time").clone()
    }
}

#[async_trait]
impl KvApi for Namespace {
    async fn get(&self, _: &str, _: usize) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.head())
    }

    async fn put(&self, _: &str, value: Vec<u8>) -> Result<(), KvError> {
        *self.head.lock().expect("one at a time") = Some(value);
        Ok(())
    }

    async fn put_bulk(&self, pairs: &[(String, Vec<u8>)]) -> Result<Vec<String>, KvError> {
        self.bulks.lock().expect("one at a time").push(pairs.len());
        Ok(Vec::new())
    }

    async fn delete_bulk(&self, _: &[String]) -> Result<Vec<String>, KvError> {
        Ok(Vec::new())
    }
}

/// Writes to a namespace from `next_head` on.
fn uploader(shared: &Arc<Shared>, kv: &Arc<Namespace>, next_head: Instant) -> Uploader {
    Uploader::new(Arc::clone(kv) as Arc<_>, shared, Duration::ZERO, next_head)
}

/// Waits for the head in a namespace.
async fn written(kv: &Namespace) -> Vec<u8> {
    let head = async {
        loop {
            if let Some(head) = kv.head() {
                return head;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), head).await.expect("a head in time")
}

/// Signs nothing, and has publishing stop where it is asked to.
#[derive(Default)]
struct Stopping(OnceLock<Arc<Shared>>);

#[async_trait]
impl Witness for Stopping {
    async fn checkpoint(&self, _: UnixMillis, _: i64) -> Result<Option<StoredCheckpoint>, NotaryError> {
        if let Some(shared) = self.0.get() {
            shared.halt(&PublishError::AheadOfRecord(HeadOrder { epoch: 9, generation: 9, issued_at: 9 }));
        }
        Ok(None)
    }

    fn hold(&self) {}

    fn let_go(&self) {}
}

#[tokio::test]
async fn a_head_that_is_made_while_publishing_stops_is_not_served() {
    let mut house = House::new().await;
    let stopping = Arc::new(Stopping::default());
    let shared = Arc::get_mut(&mut house.publisher.shared).expect("nobody else has it");
    shared.witness = Arc::clone(&stopping) as Arc<dyn Witness>;
    let mut state = resumed(&house.publisher).await;
    let shared = &house.publisher.shared;
    assert!(shared.head.borrow().is_some());
    assert!(stopping.0.set(Arc::clone(shared)).is_ok());
    house.keys(1).await;
    state.step(Occasion::News).await.expect("a step");
    assert!(shared.is_halted());
    assert!(shared.head.borrow().is_none(), "a head is served that an operator has to decide on");
    let status = crate::api::snapshot::SnapshotSource::status(shared.as_ref()).await.expect("a status");
    assert!(status.last_error.is_some_and(|error| error.contains("raise-epoch")));
}

#[tokio::test]
async fn what_the_record_does_not_say_was_compared_is_compared_again() {
    let house = House::new().await;
    let _state = resumed(&house.publisher).await;
    let (shared, kv) = (&house.publisher.shared, Namespace::default());
    behind(
        &house,
        "CREATE TRIGGER full BEFORE UPDATE OF compared_epoch ON snapshot_head BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    .await;
    compare(&kv, shared).await.expect_err("a record that takes nothing");
    assert!(!shared.is_compared());
    behind(&house, "DROP TRIGGER full").await;
    compare(&kv, shared).await.expect("compared");
    assert!(shared.is_compared());
    let recorded = shared.store.recorded_head().await.expect("a record").expect("a head");
    assert_eq!(recorded.compared, Some(recorded.order));
}

#[tokio::test]
async fn no_head_comes_to_be_in_workers_kv_that_a_successor_takes_for_one_of_a_lost_history() {
    let house = House::new().await;
    let _state = resumed(&house.publisher).await;
    let (shared, kv) = (&house.publisher.shared, Arc::new(Namespace::default()));
    compare(kv.as_ref(), shared).await.expect("compared");
    // As where it was recorded while KV was compared, by who did not know of that yet.
    behind(&house, "UPDATE snapshot_head SET compared_issued_at = compared_issued_at - 1").await;
    let uploading = tokio::spawn(uploader(shared, &kv, Instant::now()).run(shared.head.subscribe()));
    written(&kv).await;
    // Dead before the next head.
    uploading.abort();
    let successor = publisher(&house.store, options()).await;
    compare(kv.as_ref(), &successor.shared).await.expect("a head that was compared");
}

#[tokio::test]
async fn a_head_that_another_has_recorded_over_while_it_waited_is_not_written() {
    let house = House::new().await;
    let state = resumed(&house.publisher).await;
    let (shared, kv) = (&house.publisher.shared, Arc::new(Namespace::default()));
    let waits = Duration::from_secs(1);
    let uploading = tokio::spawn(uploader(shared, &kv, Instant::now() + waits).run(shared.head.subscribe()));
    tokio::time::sleep(waits / 2).await;
    let store = &shared.store;
    let epoch = store.acquire_lease("another", shared.now(), shared.now()).await.expect("a store").expect("the lease");
    let order = HeadOrder { epoch, ..state.order };
    let expires_at = shared.now();
    let (tree_generation, named, retired, afresh, compared) = (0, &[][..], &[][..], false, true);
    let another = NewHead { bytes: b"another's", order, expires_at, tree_generation, named, retired, afresh, compared };
    assert!(store.record_head("another", &another).await.expect("a store"));
    tokio::time::sleep(waits * 2).await;
    assert_eq!(kv.head(), None, "written by one who publishes no more");
    uploading.abort();
}

#[tokio::test]
async fn a_bulk_write_has_no_more_pairs_than_the_api_takes() {
    let house = House::new().await;
    let mut state = resumed(&house.publisher).await;
    let (shared, kv) = (&house.publisher.shared, Arc::new(Namespace::default()));
    let objects: Vec<_> = (0..10_001_u32).map(|number| (ObjectName::of(&number.to_be_bytes()), Vec::new())).collect();
    shared.store.stage_objects(&objects).await.expect("staged");
    state.named.extend(objects.iter().map(|(name, _)| *name));
    let others = shared.store.object_totals().await.expect("totals").objects;
    assert!(state.step(Occasion::News).await.expect("a step"));
    let uploading = tokio::spawn(uploader(shared, &kv, Instant::now()).run(shared.head.subscribe()));
    written(&kv).await;
    let bulks = kv.bulks.lock().expect("one at a time").clone();
    let rest = usize::try_from(others + 1).expect("few");
    assert_eq!(bulks, [10_000, rest]);
    uploading.abort();
}
