//! A machine's client of KV: its calls take time, are counted, and may be given up and land all the same.

use super::*;

/// With a bug, so long after it was acknowledged a head lands.
const OVERTAKEN_MS: u64 = 5_000;

/// A machine's client of it.
pub(crate) struct KvClient {
    pub(crate) host: Arc<Host>,
    pub(crate) kv: Arc<Kv>,
}

/// Nobody hears what became of a call.
const fn unanswered(call: &'static str) -> KvError {
    KvError::Answer { call }
}

impl KvClient {
    /// Begins a call that takes so long: it lands even if the machine dies meanwhile. A client gives up
    /// after ten seconds, and then it lands late or never; what lands is told since when it is given up.
    async fn call(
        &self,
        call: &'static str,
        takes_ms: u64,
        lands: impl FnOnce(&Kv, Option<u64>) + Send + 'static,
    ) -> Result<(), KvError> {
        let sim = &self.host.sim;
        if takes_ms > CALL_MS {
            if sim.once_in(2) {
                let (kv, given_up_at) = (Arc::clone(&self.kv), sim.now() + CALL_MS);
                tokio::spawn(async move {
                    sleep(Duration::from_millis(takes_ms)).await;
                    lands(&kv, Some(given_up_at));
                });
            }
            sleep(Duration::from_millis(CALL_MS)).await;
            self.host.point(Step::After(call)).await;
            return Err(unanswered(call));
        }
        let kv = Arc::clone(&self.kv);
        let landing = tokio::spawn(async move {
            sleep(Duration::from_millis(takes_ms)).await;
            lands(&kv, None);
        });
        let landed = landing.await;
        self.host.point(Step::After(call)).await;
        landed.map_err(|_| unanswered(call))
    }

    /// Long after it was written a head is written once more, by who has lost the lease since.
    fn write_again(&self, value: Vec<u8>) {
        let again = Self { host: Arc::clone(&self.host), kv: Arc::clone(&self.kv) };
        tokio::spawn(async move {
            again.host.sim.pass(20_000, 120_000).await;
            let superseded = !lock(&again.kv.database).holds_lease(&again.host.name);
            if superseded && !again.host.is_dead() {
                let _ = again.put_head(value).await;
            }
        });
    }

    /// Only the holder of the lease collects; it may have lost it since it looked, in which it may have halted.
    fn look_at_lease(&self) {
        let database = lock(&self.kv.database);
        let (sim, name) = (&self.host.sim, &self.host.name);
        let lost_at = database.lease_lost_at.get(name).copied().unwrap_or(0);
        let holds = database.holds_lease(name) || sim.now() < lost_at + COLLECTS_MS;
        if !holds && !self.host.halted_since(sim.now() - COLLECTS_MS) {
            sim.violate(Invariant::Record, format_args!("{name} collects, and has not the lease"));
        }
    }

    async fn begin(&self, call: &'static str) -> Result<Option<WriteFault>, KvError> {
        let mut begun = self.ask(call).await;
        for _ in 0..if self.host.sim.has(Bug::RetriedAtOnce) { 2 } else { 0 } {
            if matches!(begun, Err(KvError::Status { .. })) {
                begun = self.ask(call).await;
            }
        }
        begun
    }

    async fn ask(&self, call: &'static str) -> Result<Option<WriteFault>, KvError> {
        if !self.host.is_dead() {
            self.kv.count(self.host.number);
        }
        self.host.point(Step::Before(call)).await;
        let fault = self.kv.fault();
        match fault {
            Some(WriteFault::Refused) => {
                self.host.sim.pass(5, 50).await;
                Err(KvError::Status { call, status: 429, message: "as the story has it".to_owned() })
            }
            Some(WriteFault::Stalled) => {
                sleep(Duration::from_millis(CALL_MS)).await;
                self.host.point(Step::After(call)).await;
                Err(unanswered(call))
            }
            fault => Ok(fault),
        }
    }

    async fn put_head(&self, value: Vec<u8>) -> Result<(), KvError> {
        let sim = &self.host.sim;
        let fault = self.begin("put").await?;
        let slow = fault == Some(WriteFault::Partly);
        self.kv.look_at_beginning(&value, &self.host);
        if sim.has(Bug::WrittenOnce) && self.kv.has_had(&value) {
            return Ok(());
        }
        if fault == Some(WriteFault::Held) {
            let (bytes, by, given_up_at) = (Arc::new(value), Arc::clone(&self.host), Some(sim.now() + CALL_MS));
            lock(&self.kv.inner).held.push(HeadWrite { bytes, by, given_up_at });
            sleep(Duration::from_millis(CALL_MS)).await;
            self.host.point(Step::After("put")).await;
            return Err(unanswered("put"));
        }
        let most_ms = if slow && sim.once_in(3) { LATEST_MS } else { 12_000 };
        let takes_ms = if slow { sim.between(2_000, most_ms) } else { sim.between(5, 80) };
        let is_lost = fault == Some(WriteFault::Lost);
        let is_overtaken = sim.has(Bug::OlderWritten) && sim.once_in(4);
        let (bytes, by, kv) = (Arc::new(value), Arc::clone(&self.host), Arc::clone(&self.kv));
        self.call("put", takes_ms, move |_, given_up_at| {
            // What KV acknowledges the publisher takes for readable, until the next heartbeat.
            kv.look_at_next(&bytes);
            let head = HeadWrite { bytes, by, given_up_at };
            if is_overtaken {
                tokio::spawn(async move {
                    sleep(Duration::from_millis(OVERTAKEN_MS)).await;
                    kv.write_head(&head);
                });
            } else if !is_lost {
                kv.write_head(&head);
            }
        })
        .await?;
        self.end(fault, "put").await
    }

    async fn end(&self, fault: Option<WriteFault>, call: &'static str) -> Result<(), KvError> {
        if fault == Some(WriteFault::AnswerLost) {
            sleep(Duration::from_millis(CALL_MS)).await;
            return Err(unanswered(call));
        }
        Ok(())
    }
}

#[async_trait]
impl KvApi for KvClient {
    async fn get(&self, key: &str, _: usize) -> Result<Option<Vec<u8>>, KvError> {
        self.begin("get").await?;
        self.host.sim.pass(5, 80).await;
        let value = self.kv.newest(key).map(|bytes| bytes.to_vec());
        self.host.point(Step::After("get")).await;
        Ok(value)
    }

    async fn put(&self, _: &str, value: Vec<u8>) -> Result<(), KvError> {
        if self.host.sim.has(Bug::LateWrite) {
            self.write_again(value.clone());
        }
        self.put_head(value).await
    }

    async fn put_bulk(&self, pairs: &[(String, Vec<u8>)]) -> Result<Vec<String>, KvError> {
        let sim = &self.host.sim;
        let fault = self.begin("bulk put").await?;
        let partly = fault == Some(WriteFault::Partly);
        let (mut taken, mut left) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            if partly && sim.once_in(3) {
                left.push(key.clone());
            } else {
                taken.push((key.clone(), Arc::new(value.clone())));
            }
        }
        let late = if sim.has(Bug::HeadBeforeObjects) { 5_000 } else { 0 };
        let takes_ms = sim.between(5, 200);
        let kv = Arc::clone(&self.kv);
        let land = move |kv: &Kv, _| taken.into_iter().for_each(|(key, value)| kv.write(&key, Some(value)));
        if late > 0 {
            tokio::spawn(async move {
                sleep(Duration::from_millis(late)).await;
                land(&kv, None);
            });
            self.call("bulk put", takes_ms, |_, _| {}).await?;
        } else {
            self.call("bulk put", takes_ms, land).await?;
        }
        self.end(fault, "bulk put").await?;
        Ok(left)
    }

    async fn delete_bulk(&self, keys: &[String]) -> Result<Vec<String>, KvError> {
        let fault = self.begin("bulk delete").await?;
        self.look_at_lease();
        let deleted = keys.to_vec();
        let takes_ms = self.host.sim.between(5, 80);
        self.call("bulk delete", takes_ms, move |kv, _| {
            for key in deleted {
                kv.look_at_deletion(&key);
                kv.write(&key, None);
            }
        })
        .await?;
        self.end(fault, "bulk delete").await?;
        Ok(Vec::new())
    }
}
