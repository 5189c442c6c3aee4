//! Workers KV refuses what it is given, for minutes: how often it is asked all the same, and that it is written
//! once it takes writes again, objects first.
//!
//! Time is moved by the test. It stands still while the database, which keeps no such time, does its part.

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::publish::kv::{KvApi, KvError};
use crate::publish::pace::Paced;
use crate::publish::source::Shared;
use crate::publish::upload::Uploader;

/// Calls in five minutes, as far as the publisher goes: half of what Cloudflare takes.
const MOST: usize = 600;
/// With a pause that doubles up to half a minute there are fewer by far.
const PATIENT: std::ops::RangeInclusive<usize> = 10..=30;
/// The longest pause of half a minute, and the calls, half a second apart.
const LONGEST: Duration = Duration::from_secs(35);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Get,
    Put,
    PutBulk,
}

/// A namespace that answers so to some calls for as long as it is told to.
struct Busy {
    status: u16,
    refused: Mutex<Vec<Call>>,
    asked: Mutex<Vec<Call>>,
    held: Mutex<BTreeSet<String>>,
}

impl Busy {
    fn with(status: u16) -> Self {
        Self { status, refused: Mutex::default(), asked: Mutex::default(), held: Mutex::default() }
    }

    fn refuse(&self, calls: &[Call]) {
        *self.refused.lock().expect("a lock") = calls.to_vec();
    }

    fn asked(&self) -> Vec<Call> {
        self.asked.lock().expect("a lock").clone()
    }

    fn holds(&self, key: &str) -> bool {
        self.held.lock().expect("a lock").contains(key)
    }

    fn answer(&self, call: Call) -> Result<(), KvError> {
        self.asked.lock().expect("a lock").push(call);
        if self.refused.lock().expect("a lock").contains(&call) {
            return Err(KvError::Status { call: "a call", status: self.status, message: "slow down".to_owned() });
        }
        Ok(())
    }
}

#[async_trait]
impl KvApi for Busy {
    async fn get(&self, _: &str, _: usize) -> Result<Option<Vec<u8>>, KvError> {
        self.answer(Call::Get)?;
        Ok(None)
    }

    async fn put(&self, key: &str, _: Vec<u8>) -> Result<(), KvError> {
        self.answer(Call::Put)?;
        assert!(self.held.lock().expect("a lock").len() > 1, "the head comes after its objects");
        self.held.lock().expect("a lock").insert(key.to_owned());
        Ok(())
    }

    async fn put_bulk(&self, pairs: &[(String, Vec<u8>)]) -> Result<Vec<String>, KvError> {
        self.answer(Call::PutBulk)?;
        self.held.lock().expect("a lock").extend(pairs.iter().map(|(key, _)| key.clone()));
        Ok(Vec::new())
    }

    async fn delete_bulk(&self, _: &[String]) -> Result<Vec<String>, KvError> {
        Ok(Vec::new())
    }
}

/// Lets so much of the publisher's time pass, and the database keep up with it: what is asked of it here and now
/// takes as long as what the publisher asks, however busy the machine.
pub(super) async fn pass(shared: &Shared, time: Duration) {
    const STEP: Duration = Duration::from_millis(250);
    let end = Instant::now() + time;
    while Instant::now() < end {
        tokio::time::advance(STEP).await;
        // Time does not run ahead while such a task runs.
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let held = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(2));
            wait.recv()
        });
        for _ in 0..8 {
            shared.store.recorded_head().await.expect("a head");
        }
        drop(done);
        assert!(held.await.expect("waited").is_err());
    }
}

#[tokio::test]
async fn workers_kv_that_answers_429_or_500_for_minutes_is_asked_seldom_and_written_once_it_takes_writes() {
    let put = &[Call::Put][..];
    for (status, refused) in
        [(429, &[Call::Get, Call::Put, Call::PutBulk][..]), (429, &[Call::PutBulk]), (429, put), (500, put)]
    {
        let house = House::new().await;
        house.keys(3).await;
        let state = resumed(&house.publisher).await;
        let shared = &house.publisher.shared;
        tokio::time::pause();
        let busy = Arc::new(Busy::with(status));
        busy.refuse(refused);
        let kv = Arc::new(Paced::new(Arc::clone(&busy) as Arc<_>));
        let uploader = Uploader::new(kv, shared, Duration::from_millis(1_100), Instant::now());
        let uploading = tokio::spawn(uploader.run(shared.head.subscribe()));
        pass(shared, Duration::from_mins(5)).await;
        let calls = busy.asked().len();
        assert!(calls <= MOST, "{refused:?}: {calls} calls in five minutes");
        assert!(PATIENT.contains(&calls), "{refused:?}: {calls} calls in five minutes");
        assert!(!busy.holds("head"), "{refused:?}");

        busy.refuse(&[]);
        pass(shared, LONGEST).await;
        assert!(busy.holds("head"), "{refused:?}: not written: {:?}", busy.asked());
        uploading.abort();
        drop(state);
        tokio::time::resume();
    }
}
