//! Workers KV at the pace that its API allows: two calls a second at most, whoever makes them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::kv::{KvApi, KvError};

/// Between any two calls: of 1,200 in five minutes this is half.
const BETWEEN_CALLS: Duration = Duration::from_millis(500);

/// A client whose calls wait for their turn, in the order in which they were asked for.
pub(super) struct Paced {
    kv: Arc<dyn KvApi>,
    next_call: Mutex<Instant>,
}

impl Paced {
    pub(super) fn new(kv: Arc<dyn KvApi>) -> Self {
        Self { kv, next_call: Mutex::new(Instant::now()) }
    }

    async fn turn(&self) {
        let mut next_call = self.next_call.lock().await;
        sleep_until(*next_call).await;
        *next_call = Instant::now() + BETWEEN_CALLS;
    }
}

#[async_trait]
impl KvApi for Paced {
    async fn get(&self, key: &str, max: usize) -> Result<Option<Vec<u8>>, KvError> {
        self.turn().await;
        self.kv.get(key, max).await
    }

    async fn put(&self, key: &str, value: Vec<u8>) -> Result<(), KvError> {
        self.turn().await;
        self.kv.put(key, value).await
    }

    async fn put_bulk(&self, pairs: &[(String, Vec<u8>)]) -> Result<Vec<String>, KvError> {
        self.turn().await;
        self.kv.put_bulk(pairs).await
    }

    async fn delete_bulk(&self, keys: &[String]) -> Result<Vec<String>, KvError> {
        self.turn().await;
        self.kv.delete_bulk(keys).await
    }
}
