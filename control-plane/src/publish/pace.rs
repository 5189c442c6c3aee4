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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Notes when it is called.
    #[derive(Default)]
    struct Noted(Mutex<Vec<Instant>>);

    #[async_trait]
    impl KvApi for Noted {
        async fn get(&self, _: &str, _: usize) -> Result<Option<Vec<u8>>, KvError> {
            self.0.lock().expect("one at a time").push(Instant::now());
            Ok(None)
        }

        async fn put(&self, key: &str, _: Vec<u8>) -> Result<(), KvError> {
            self.get(key, 0).await.map(drop)
        }

        async fn put_bulk(&self, _: &[(String, Vec<u8>)]) -> Result<Vec<String>, KvError> {
            self.get("", 0).await.map(|_| Vec::new())
        }

        async fn delete_bulk(&self, _: &[String]) -> Result<Vec<String>, KvError> {
            self.get("", 0).await.map(|_| Vec::new())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_calls_there_are_two_calls_a_second() {
        let noted = Arc::new(Noted::default());
        let paced = Paced::new(Arc::clone(&noted) as Arc<dyn KvApi>);
        let started = Instant::now();
        let (head, objects, looked, collected) = tokio::join!(
            paced.put("head", Vec::new()),
            paced.put_bulk(&[]),
            paced.get("head", 1),
            paced.delete_bulk(&[])
        );
        assert!(head.is_ok() && objects.is_ok() && looked.is_ok() && collected.is_ok());
        let at: Vec<_> = noted.0.lock().expect("one at a time").iter().map(|at| *at - started).collect();
        assert_eq!(at, [0, 500, 1_000, 1_500].map(Duration::from_millis));
    }
}
