//! A Workers KV of our own. It speaks the REST API, as the control plane does, and what `workerd` asks for a
//! Worker's binding; it keeps Cloudflare's limits, and it goes wrong as a script tells it to: late, stale for
//! one reader and not for another, cached with its absences, refused, cut, flipped, broken off, in another
//! order, acknowledged and lost.
//!
//! Without a script it does at once what it is asked to, as no KV does. Must never know what the values mean.

mod binding;
mod limits;
mod namespace;
mod rest;
mod script;
mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use axum::body::Bytes;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub use limits::{CALLS_WITHIN, MAX_CALLS, Violation};
pub use script::{Fault, Rule, Side, When};

use crate::kv::{self, Asked, Call};
use limits::Limits;
use namespace::{Cache, Namespace};
use script::{Does, Script, Treatment};

const PATIENCE: Duration = Duration::from_secs(20);

/// One read by a Worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Which reader it was.
    pub reader: usize,
    /// What it asked for.
    pub key: String,
    /// For how long what it read may lie in a cache, where it says.
    pub cache_for: Option<Duration>,
    /// When it asked.
    pub at: Instant,
    /// What it was to be given, before anything was spoilt on the way; `None` for nothing, or no answer.
    pub value: Option<Vec<u8>>,
}

/// The running KV. It ends when it is dropped, and with it every answer that is still owed.
pub struct FakeKv {
    address: SocketAddr,
    inside: Arc<Inside>,
    runtime: Option<Runtime>,
}

/// The place at which one Worker reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Its number, which the script knows it by.
    pub number: usize,
    /// Where it is reached.
    pub address: SocketAddr,
}

struct Inside {
    state: Mutex<State>,
    changed: Condvar,
    script_given: watch::Sender<()>,
}

struct State {
    namespace: Namespace,
    limits: Limits,
    violations: Vec<Violation>,
    script: Script,
    calls: Vec<Call>,
    reads: Vec<Read>,
    caches: Vec<Cache>,
}

impl FakeKv {
    /// Starts an empty one on a free port.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fake-kv")
            .enable_all()
            .build()?;
        let state = State {
            namespace: Namespace::default(),
            limits: Limits::default(),
            violations: Vec::new(),
            script: Script::new(Vec::new(), 0),
            calls: Vec::new(),
            reads: Vec::new(),
            caches: Vec::new(),
        };
        let inside = Inside { state: Mutex::new(state), changed: Condvar::new(), script_given: watch::Sender::new(()) };
        let inside = Arc::new(inside);
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        server::serve(runtime.handle(), listener, rest::router(Arc::clone(&inside)))?;
        Ok(Self { address, inside, runtime: Some(runtime) })
    }

    /// The base of the namespace's REST API.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A place for one more Worker to read at.
    pub fn reader(&self) -> Result<Reader> {
        let Some(runtime) = &self.runtime else { bail!("it has ended") };
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let number = {
            let mut state = self.inside.lock();
            state.caches.push(Cache::default());
            state.caches.len() - 1
        };
        let near = binding::Near { inside: Arc::clone(&self.inside), reader: number };
        server::serve(runtime.handle(), listener, binding::router(near))?;
        Ok(Reader { number, address })
    }

    /// From now on these rules hold and no others. Calls that stall are given up.
    pub fn script(&self, rules: impl IntoIterator<Item = Rule>) {
        self.script_from(0, rules);
    }

    /// The same, with the seed that chance is drawn from.
    pub fn script_from(&self, seed: u64, rules: impl IntoIterator<Item = Rule>) {
        self.inside.lock().script = Script::new(rules.into_iter().collect(), seed);
        self.inside.script_given.send_replace(());
    }

    /// From now on it does what it is asked to. What readers have cached is theirs to keep.
    pub fn work(&self) {
        self.script([]);
    }

    /// Makes all that was written so far so much older, so that readers who hear of writes late have heard of it.
    pub fn age(&self, by: Duration) {
        self.inside.lock().namespace.age(by);
    }

    /// What is under a key, whatever readers are shown.
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.inside.newest(key).map(|value| value.to_vec())
    }

    /// Puts a value there, past the API and its limits.
    pub fn put(&self, key: &str, value: Vec<u8>) {
        self.inside.write(key, Some(value.into()));
    }

    /// Takes a value away, past the API and its limits.
    pub fn delete(&self, key: &str) {
        self.inside.write(key, None);
    }

    /// All calls of the REST API so far, the oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.inside.lock().calls.clone()
    }

    /// All reads by Workers so far, the oldest first.
    pub fn reads(&self) -> Vec<Read> {
        self.inside.lock().reads.clone()
    }

    /// What was done so far that Cloudflare does not let anybody do.
    pub fn violations(&self) -> Vec<Violation> {
        self.inside.lock().violations.clone()
    }

    /// Waits for the first call after `seen` calls that `wanted` says yes to.
    pub fn wait_for(&self, seen: usize, wanted: impl Fn(&Call) -> bool) -> Result<Call> {
        let find = |state: &State| state.calls.iter().skip(seen).find(|call| wanted(call)).cloned();
        self.inside.wait(find, |state| format!("no such call; they were {:?}", state.calls))
    }
}

impl Drop for FakeKv {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Inside {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<T>(&self, find: impl Fn(&State) -> Option<T>, or_else: impl Fn(&State) -> String) -> Result<T> {
        let started = Instant::now();
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&state) {
                return Ok(found);
            }
            let Some(left) = PATIENCE.checked_sub(started.elapsed()) else {
                bail!("within {} s: {}", PATIENCE.as_secs(), or_else(&state));
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What the script says of a call.
    fn treat(&self, side: Side, does: Does, keys: &[&str]) -> Treatment {
        self.lock().script.treat(side, does, keys, Instant::now())
    }

    /// Notes a call of the REST API, and says what becomes of it.
    fn called(&self, asked: Asked, does: Does, keys: &[&str], value: &[u8]) -> (Treatment, usize) {
        let at = Instant::now();
        let mut state = self.lock();
        let treatment = state.script.treat(Side::Api, does, keys, at);
        // Only the head's bytes are ever looked at again, and bulk writes are large.
        state.calls.push(Call { asked, value: value.to_vec(), at, fault: treatment.seen_by_caller(), status: None });
        self.changed.notify_all();
        (treatment, state.calls.len() - 1)
    }

    fn answered(&self, call: usize, status: u16) {
        if let Some(call) = self.lock().calls.get_mut(call) {
            call.status = Some(status);
        }
        self.changed.notify_all();
    }

    /// Of a bulk write, only these were done.
    fn written(&self, call: usize, keys: BTreeSet<String>) {
        if let Some(call) = self.lock().calls.get_mut(call) {
            call.asked = Asked::PutBulk(keys);
        }
    }

    /// Asks the limits, and remembers what they say no to.
    fn allowed(&self, ask: impl FnOnce(&mut Limits, Instant) -> Result<(), Violation>) -> Result<(), Violation> {
        let answer = ask(&mut self.lock().limits, Instant::now());
        answer.map_err(|violation| self.violated(violation))
    }

    fn violated(&self, violation: Violation) -> Violation {
        self.lock().violations.push(violation.clone());
        violation
    }

    /// Ends when another script is given.
    async fn stall(&self) {
        let _ = self.script_given.subscribe().changed().await;
    }

    fn write(&self, key: &str, value: Option<Bytes>) {
        self.lock().namespace.write(key, value, Instant::now());
    }

    fn newest(&self, key: &str) -> Option<Bytes> {
        self.lock().namespace.newest(key)
    }

    fn names(&self, prefix: &str, after: &str, limit: usize) -> (Vec<String>, String) {
        let state = self.lock();
        let mut names = state.namespace.names(prefix, after);
        let listed: Vec<String> = names.by_ref().take(limit).map(str::to_owned).collect();
        let cursor = names.next().and_then(|_| listed.last().cloned()).unwrap_or_default();
        (listed, cursor)
    }

    fn begin_read(&self, reader: usize, key: &str, cache_for: Option<Duration>) -> usize {
        let mut state = self.lock();
        state.reads.push(Read { reader, key: key.to_owned(), cache_for, at: Instant::now(), value: None });
        self.changed.notify_all();
        state.reads.len() - 1
    }

    fn end_read(&self, read: usize, value: Option<&[u8]>) {
        if let Some(read) = self.lock().reads.get_mut(read) {
            read.value = value.map(<[u8]>::to_vec);
        }
        self.changed.notify_all();
    }

    /// What a reader gets: from near it where that is young enough, else what it is shown of the namespace.
    fn read_near(
        &self,
        reader: usize,
        key: &str,
        cached_for: Option<Duration>,
        late: Duration,
        older: usize,
    ) -> Option<Bytes> {
        let now = Instant::now();
        let mut state = self.lock();
        let state = &mut *state;
        let cache = state.caches.get_mut(reader)?;
        if let Some(cached) = cached_for.and_then(|at_most| cache.get(key, at_most, now)) {
            return cached.value.clone();
        }
        let value = state.namespace.seen(key, late, older, now);
        if cached_for.is_some() {
            cache.keep(key, value.clone(), now);
        }
        value
    }
}

impl Treatment {
    /// What its caller can tell of it, as calls are remembered.
    fn seen_by_caller(&self) -> kv::Fault {
        match () {
            () if self.stalls() => kv::Fault::Stall,
            () if self.is_away() => kv::Fault::Away,
            () if self.loses_its_answer() => kv::Fault::LoseAnswer,
            () if self.refuses_every().is_some() => kv::Fault::RefuseSome,
            () => self.status().map_or(kv::Fault::None, kv::Fault::Status),
        }
    }
}
