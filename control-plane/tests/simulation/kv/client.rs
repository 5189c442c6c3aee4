//! A machine's client of KV: its calls take time, are counted, and may be given up and land all the same.

use super::*;

/// A machine's client of it.
pub(crate) struct KvClient {
    pub(crate) host: Arc<Host>,
    pub(crate) kv: Arc<Kv>,
}

fn refused(call: &'static str, status: u16) -> KvError {
    KvError::Status { call, status, message: "as the story has it".to_owned() }
}

impl KvClient {
    /// Begins a call that takes so long: it lands even if the machine dies meanwhile. A client gives up
    /// after ten seconds, and then it lands late or never.
    async fn call(
        &self,
        call: &'static str,
        takes_ms: u64,
        lands: impl FnOnce(&Kv) + Send + 'static,
    ) -> Result<(), KvError> {
        let sim = &self.host.sim;
        if takes_ms > CALL_MS {
            if sim.once_in(2) {
                let kv = Arc::clone(&self.kv);
                tokio::spawn(async move {
                    sleep(Duration::from_millis(takes_ms)).await;
                    lands(&kv);
                });
            }
            sleep(Duration::from_millis(CALL_MS)).await;
            self.host.point(Step::After(call)).await;
            return Err(refused(call, 0));
        }
        let kv = Arc::clone(&self.kv);
        let landing = tokio::spawn(async move {
            sleep(Duration::from_millis(takes_ms)).await;
            lands(&kv);
        });
        let landed = landing.await;
        self.host.point(Step::After(call)).await;
        landed.map_err(|_| refused(call, 0))
    }

    /// Long after it was written a head is written once more, by who has lost the lease since.
    fn write_again(&self, value: Vec<u8>) {
        let (host, kv) = (Arc::clone(&self.host), Arc::clone(&self.kv));
        tokio::spawn(async move {
            host.sim.pass(20_000, 120_000).await;
            let superseded = !lock(&kv.database).holds_lease(&host.name);
            if superseded && !host.is_dead() {
                kv.look_at_beginning(&value, &host);
                kv.write(HEAD, Some(Arc::new(value)));
            }
        });
    }

    /// Only the holder of the lease collects; it may have lost it since it looked.
    fn look_at_lease(&self) {
        let database = lock(&self.kv.database);
        let (sim, name) = (&self.host.sim, &self.host.name);
        let lost_at = database.lease_lost_at.get(name).copied().unwrap_or(0);
        let holds = database.holds_lease(name) || sim.now() < lost_at + COLLECTS_MS;
        if !holds && !sim.has_halted() {
            sim.violate(Invariant::Record, format_args!("{name} collects, and has not the lease"));
        }
    }

    async fn begin(&self, call: &'static str) -> Result<Option<WriteFault>, KvError> {
        if !self.host.is_dead() {
            self.kv.count(self.host.number);
        }
        self.host.point(Step::Before(call)).await;
        let fault = self.kv.fault();
        match fault {
            Some(WriteFault::Refused) => {
                if self.host.sim.has(Bug::RetriedAtOnce) {
                    (0..2).for_each(|_| self.kv.count(self.host.number));
                }
                self.host.sim.pass(5, 50).await;
                Err(refused(call, 429))
            }
            Some(WriteFault::Stalled) => {
                sleep(Duration::from_millis(CALL_MS)).await;
                self.host.point(Step::After(call)).await;
                Err(refused(call, 0))
            }
            fault => Ok(fault),
        }
    }

    async fn end(&self, fault: Option<WriteFault>, call: &'static str) -> Result<(), KvError> {
        if fault == Some(WriteFault::AnswerLost) {
            sleep(Duration::from_millis(CALL_MS)).await;
            return Err(refused(call, 0));
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

    async fn put(&self, key: &str, value: Vec<u8>) -> Result<(), KvError> {
        let sim = &self.host.sim;
        let fault = self.begin("put").await?;
        let slow = fault == Some(WriteFault::Partly);
        self.kv.look_at_beginning(&value, &self.host);
        let most_ms = if slow && sim.once_in(3) { LATEST_MS } else { 12_000 };
        let takes_ms = if slow { sim.between(2_000, most_ms) } else { sim.between(5, 80) };
        if sim.has(Bug::LateWrite) {
            self.write_again(value.clone());
        }
        let key = key.to_owned();
        let is_lost = fault == Some(WriteFault::Lost);
        self.call("put", takes_ms, move |kv| {
            // What KV acknowledges the publisher takes for readable, until the next heartbeat.
            kv.look_at_next(&value);
            if !is_lost {
                kv.write(&key, Some(Arc::new(value)));
            }
        })
        .await?;
        self.end(fault, "put").await
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
        let land = move |kv: &Kv| taken.into_iter().for_each(|(key, value)| kv.write(&key, Some(value)));
        if late > 0 {
            tokio::spawn(async move {
                sleep(Duration::from_millis(late)).await;
                land(&kv);
            });
            self.call("bulk put", takes_ms, |_| {}).await?;
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
        self.call("bulk delete", takes_ms, move |kv| {
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
