//! A write to Workers KV that nobody answers may land after a newer one.

use std::sync::Mutex;

use async_trait::async_trait;

use super::refused::pass;
use super::*;
use crate::publish::kv::{KvApi, KvError};
use crate::publish::upload::{LANDED_BY, Uploader};

/// When a client gives up.
const CALL: Duration = Duration::from_secs(10);

/// What becomes of a write of a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Done,
    Unanswered,
    Failed,
    Refused,
}

/// A namespace where heads may land late.
#[derive(Default)]
struct Late {
    fate: Mutex<Fate>,
    head: Mutex<Vec<u8>>,
    asked: Mutex<Vec<Vec<u8>>>,
}

impl Late {
    fn set(&self, fate: Fate) {
        *self.fate.lock().expect("a lock") = fate;
    }

    fn land(&self, head: &[u8]) {
        *self.head.lock().expect("a lock") = head.to_vec();
    }

    fn head(&self) -> Vec<u8> {
        self.head.lock().expect("a lock").clone()
    }

    /// The heads that it was asked to write.
    fn asked(&self) -> Vec<Vec<u8>> {
        self.asked.lock().expect("a lock").clone()
    }
}

#[async_trait]
impl KvApi for Late {
    async fn get(&self, _: &str, _: usize) -> Result<Option<Vec<u8>>, KvError> {
        Ok(None)
    }

    async fn put(&self, _: &str, value: Vec<u8>) -> Result<(), KvError> {
        self.asked.lock().expect("a lock").push(value.clone());
        let fate = *self.fate.lock().expect("a lock");
        match fate {
            Fate::Done => self.land(&value),
            Fate::Unanswered => {
                tokio::time::sleep(CALL).await;
                return Err(KvError::Answer { call: "put" });
            }
            Fate::Failed => {
                return Err(KvError::Status { call: "put", status: 502, message: "bad gateway".to_owned() });
            }
            Fate::Refused => {
                return Err(KvError::Status { call: "put", status: 429, message: "slow down".to_owned() });
            }
        }
        Ok(())
    }

    async fn put_bulk(&self, _: &[(String, Vec<u8>)]) -> Result<Vec<String>, KvError> {
        Ok(Vec::new())
    }

    async fn delete_bulk(&self, _: &[String]) -> Result<Vec<String>, KvError> {
        Ok(Vec::new())
    }
}

/// The newest head.
fn newest(house: &House) -> Vec<u8> {
    house.publisher.shared.head.borrow().clone().expect("a head").bytes.clone()
}

#[tokio::test]
async fn a_head_that_lands_after_a_newer_one_is_written_over_though_nothing_happens() {
    for fate in [Fate::Unanswered, Fate::Failed, Fate::Refused] {
        let house = House::new().await;
        house.keys(3).await;
        let mut state = resumed(&house.publisher).await;
        let (shared, kv) = (&house.publisher.shared, Arc::new(Late::default()));
        let older = newest(&house);
        kv.set(fate);
        tokio::time::pause();
        let between_heads = Duration::from_millis(1_100);
        let uploader = Uploader::new(Arc::clone(&kv) as Arc<_>, shared, between_heads, Instant::now());
        let uploading = tokio::spawn(uploader.run(shared.head.subscribe()));
        pass(shared, CALL + Duration::from_millis(500)).await;
        // The database keeps no such time.
        tokio::time::resume();
        kv.set(Fate::Done);
        house.keys(1).await;
        assert!(state.step(Occasion::News).await.expect("a step"));
        tokio::time::pause();
        let newer = newest(&house);
        pass(shared, Duration::from_secs(9)).await;
        assert!(kv.head() == newer && newer != older, "{fate:?}: not written");

        let before = kv.asked().len();
        kv.land(&older);
        pass(shared, LANDED_BY + Duration::from_secs(5)).await;
        // What was refused lands no more, and is worth no write.
        let again = usize::from(fate != Fate::Refused);
        assert_eq!(kv.head() == newer, again == 1, "{fate:?}: {:?} writes", kv.asked().len());
        pass(shared, 2 * LANDED_BY).await;
        assert_eq!(kv.asked().len(), before + again, "{fate:?}: once, and no more");
        uploading.abort();
        drop(state);
        tokio::time::resume();
    }
}
