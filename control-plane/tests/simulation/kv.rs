//! Workers KV: one truth that writes go to, and readers to whom each write shows when it likes.
//!
//! A write that was begun may land though whoever began it is no more. Faults come by the script of the
//! story.

mod client;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use keyward_control_plane::publish::{KvApi, KvError};
use keyward_shared::fingerprint::Pepper;
use keyward_shared::snapshot::{DecodeError, Head, Leaf, Node, ObjectName, Origin, Place, Tree, TrustedKeys};
use tokio::time::sleep;

use crate::bugs::Bug;
use crate::database::Database;
use crate::host::{Host, Step};
use crate::sim::{Invariant, Lane, Sim, lock};
use crate::story::HEARTBEAT_MS;
use crate::truth::PEPPER;

pub(crate) use self::client::KvClient;

/// The deployment of every story.
pub(crate) const DEPLOYMENT: &str = "simulated";
const HEAD: &str = "head";
/// When the client gives up, in milliseconds.
const CALL_MS: u64 = 10_000;
/// The latest that a write lands, which its writer may have given up long before.
const LATEST_MS: u64 = 60_000;
/// Who has given up a write writes its newest head again after so long.
const AGAIN_MS: u64 = 15_000;
/// When a successor has written its head its predecessor begins no write any more.
const SUPERSEDED_MS: u64 = 3_000;
/// Nor does it collect after this.
const COLLECTS_MS: u64 = 12_000;
/// How long an object stays after its last head has expired, less what clocks may be apart.
const KEPT_MS: u64 = (2 * 60 - 10) * 60 * 1_000;

/// What becomes of writes for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteFault {
    /// Answered with 429.
    Refused,
    /// Never answered, and lost.
    Stalled,
    /// Done, and never answered.
    AnswerLost,
    /// Of the pairs of a bulk some are refused; a head takes as long as it may.
    Partly,
    /// A head is acknowledged and lost.
    Lost,
    /// A head is given up, and lands when the story has it.
    Held,
}

/// What becomes of reads for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFault {
    Away,
    Slow,
    /// The value before the newest.
    Old,
    Cut,
    Flipped,
}

type Value = Option<Arc<Vec<u8>>>;

struct Written {
    value: Value,
    /// When each reader sees it.
    visible_at: Vec<u64>,
}

/// A head that a machine writes.
struct HeadWrite {
    bytes: Arc<Vec<u8>>,
    by: Arc<Host>,
    /// When the machine gave up waiting for the answer.
    given_up_at: Option<u64>,
}

#[derive(Default)]
struct Reader {
    cache: BTreeMap<String, (Value, u64)>,
    fault: Option<(ReadFault, u64)>,
}

#[derive(Default)]
struct Inner {
    values: BTreeMap<String, Vec<Written>>,
    readers: Vec<Reader>,
    fault: Option<(WriteFault, u64)>,
    /// When each machine called.
    calls: BTreeMap<usize, Vec<u64>>,
    /// When all of them did.
    all_calls: Vec<u64>,
    /// When the last head that names an object expires.
    named_until: BTreeMap<String, u64>,
    /// What objects that were read once name.
    children: BTreeMap<ObjectName, Vec<ObjectName>>,
    /// When the first head of an epoch landed.
    epochs: BTreeMap<u64, u64>,
    /// Heads that have not landed, and will.
    held: Vec<HeadWrite>,
    /// When heads were read.
    asked_at: Vec<u64>,
}

/// The store.
pub(crate) struct Kv {
    sim: Arc<Sim>,
    database: Arc<Mutex<Database>>,
    trusted: TrustedKeys,
    /// The longest until a write shows, in milliseconds.
    pub(crate) late_ms: u64,
    inner: Mutex<Inner>,
}

impl Kv {
    pub(crate) fn new(
        sim: Arc<Sim>,
        database: Arc<Mutex<Database>>,
        trusted: TrustedKeys,
        (readers, late_ms): (usize, u64),
    ) -> Self {
        let readers = (0..readers).map(|_| Reader::default()).collect();
        Self { sim, database, trusted, late_ms, inner: Mutex::new(Inner { readers, ..Inner::default() }) }
    }

    pub(crate) fn fail_writes(&self, fault: WriteFault, until: u64) {
        lock(&self.inner).fault = Some((fault, until));
    }

    pub(crate) fn fail_reads(&self, reader: usize, fault: ReadFault, until: u64) {
        if let Some(reader) = lock(&self.inner).readers.get_mut(reader) {
            reader.fault = Some((fault, until));
        }
    }

    pub(crate) fn mend(&self) {
        let mut inner = lock(&self.inner);
        inner.fault = None;
        inner.readers.iter_mut().for_each(|reader| reader.fault = None);
    }

    fn fault(&self) -> Option<WriteFault> {
        lock(&self.inner).fault.filter(|(_, until)| self.sim.now() < *until).map(|(fault, _)| fault)
    }

    /// A read from near an edge, which may be answered by what was read in the last `ttl_s` seconds.
    pub(crate) async fn read(&self, reader: usize, key: &str, ttl_s: u64) -> Result<Option<Vec<u8>>, &'static str> {
        if key == HEAD {
            lock(&self.inner).asked_at.push(self.sim.now());
        }
        self.sim.pass(2, 30).await;
        let fault = lock(&self.inner).readers.get(reader).and_then(|reader| reader.fault);
        let fault = fault.filter(|(_, until)| self.sim.now() < *until).map(|(fault, _)| fault);
        match fault {
            Some(ReadFault::Away) => return Err("KV is away"),
            Some(ReadFault::Slow) => self.sim.pass(400, 4_000).await,
            _ => {}
        }
        let now = self.sim.now();
        let mut inner = lock(&self.inner);
        let Inner { values, readers, .. } = &mut *inner;
        let cache = &mut readers.get_mut(reader).ok_or("no such reader")?.cache;
        let mut value = match cache.get(key) {
            Some((value, at)) if now < at + ttl_s * 1_000 => value.clone(),
            _ => {
                let skip = usize::from(fault == Some(ReadFault::Old));
                let is_visible = |written: &&Written| written.visible_at.get(reader).is_some_and(|at| *at <= now);
                let all = values.get(key).map(Vec::as_slice).unwrap_or_default();
                let value = all.iter().rev().filter(is_visible).nth(skip).and_then(|written| written.value.clone());
                cache.insert(key.to_owned(), (value.clone(), now));
                value
            }
        };
        if let Some(bytes) = value.as_mut().map(Arc::make_mut) {
            match fault {
                Some(ReadFault::Cut) => bytes.truncate(bytes.len() / 2),
                Some(ReadFault::Flipped) => {
                    let at = usize::try_from(self.sim.below(u64::try_from(bytes.len()).unwrap_or(1).max(1)));
                    if let Some(byte) = bytes.get_mut(at.unwrap_or(0)) {
                        *byte ^= 1;
                    }
                }
                _ => {}
            }
        }
        Ok(value.map(|bytes| bytes.to_vec()))
    }

    fn newest(&self, key: &str) -> Value {
        lock(&self.inner).values.get(key).and_then(|all| all.last()).and_then(|written| written.value.clone())
    }

    /// The head that it has.
    pub(crate) fn head(&self) -> Option<Head> {
        Head::verify(&self.newest(HEAD)?, DEPLOYMENT, &self.trusted).ok()
    }

    /// When heads were read since this was asked last.
    pub(crate) fn take_asked_at(&self) -> Vec<u64> {
        std::mem::take(&mut lock(&self.inner).asked_at)
    }

    /// What was held lands; says of how many heads.
    pub(crate) fn land_held(&self) -> usize {
        let held = std::mem::take(&mut lock(&self.inner).held);
        for head in &held {
            self.write_head(head);
        }
        held.len()
    }

    /// Whether a head of this one's epoch and generation has landed.
    fn has_had(&self, bytes: &[u8]) -> bool {
        let database = lock(&self.database);
        let order =
            |bytes: &[u8]| database.recorded.get(&ObjectName::of(bytes)).map(|head| (head.epoch, head.generation));
        let all = lock(&self.inner);
        let mut landed =
            all.values.get(HEAD).into_iter().flatten().filter_map(|written| order(written.value.as_ref()?));
        order(bytes).is_some_and(|wanted| landed.any(|landed| landed == wanted))
    }

    /// A head lands.
    fn write_head(&self, head: &HeadWrite) {
        self.look_at_head(head);
        self.write(HEAD, Some(Arc::clone(&head.bytes)));
    }

    /// A write lands.
    fn write(&self, key: &str, value: Value) {
        let now = self.sim.now();
        let mut inner = lock(&self.inner);
        let visible_at = inner.readers.iter().map(|_| {
            let late = if self.sim.once_in(2) { self.late_ms } else { self.late_ms.min(500) };
            now + self.sim.between(0, late)
        });
        let visible_at = visible_at.collect();
        inner.values.entry(key.to_owned()).or_default().push(Written { value, visible_at });
    }

    /// What a head names is there before it is, and the head is on record.
    fn look_at_head(&self, write: &HeadWrite) {
        let (head, compared) = {
            let database = lock(&self.database);
            let head = database.recorded.get(&ObjectName::of(&write.bytes)).cloned();
            (head, database.head.as_ref().and_then(|recorded| recorded.compared))
        };
        let Some(head) = head else {
            return self.sim.violate(Invariant::Record, format_args!("KV has a head that is not on record"));
        };
        if compared < Some(head.order()) {
            let order = head.order();
            self.sim.violate(Invariant::Record, format_args!("KV has {order:?}, above what was compared"));
        }
        self.note_landed(&head, write);
        let trees = std::iter::once(&head.tree).chain(&head.next);
        let named = std::iter::once(head.settings).chain(trees.flat_map(|tree| self.names(tree)));
        self.sim.note(format_args!("KV has head {}.{}", head.epoch, head.generation));
        for name in named.collect::<Vec<_>>() {
            let key = name.kv_key();
            if self.newest(&key).is_none() {
                let generation = head.generation;
                self.sim.violate(Invariant::Objects, format_args!("KV lacks what its head {generation} names"));
            }
            let mut inner = lock(&self.inner);
            let until = inner.named_until.entry(key).or_default();
            *until = head.expires_at.max(*until);
        }
    }

    /// A head lands. Below what is there only one that was given up, or is of an epoch before. It counts until the
    /// newest is written again: soon where whoever gave it up publishes on, and at most for a heartbeat.
    fn note_landed(&self, head: &Head, write: &HeadWrite) {
        let now = self.sim.now();
        lock(&self.inner).epochs.entry(head.epoch).or_insert(now);
        let Some(newest) = self.head().map(|newest| newest.order()).filter(|newest| *newest > head.order()) else {
            return;
        };
        let name = &write.by.name;
        let is_of_now = lock(&self.database).epoch == head.epoch && !write.by.is_dead();
        let until = match write.given_up_at {
            Some(at) if is_of_now && now <= at + AGAIN_MS => at + AGAIN_MS,
            None if is_of_now => {
                let words =
                    format_args!("{name} waits for {:?} to be written, which lands after {newest:?}", head.order());
                return self.sim.violate(Invariant::Record, words);
            }
            _ => now + HEARTBEAT_MS,
        };
        self.sim.note(format_args!("a head of {name} lands late"));
        self.sim.disturb_until(until, &[Lane::Kv]);
    }

    /// Who was superseded begins no write once a head of the next epoch is there. One that halted in between
    /// begins late, which the second write does not help.
    fn look_at_beginning(&self, bytes: &[u8], host: &Host) {
        let head = lock(&self.database).recorded.get(&ObjectName::of(bytes)).cloned();
        let Some(epoch) = head.map(|head| head.epoch) else { return };
        let now = self.sim.now();
        let since = lock(&self.inner).epochs.range(epoch + 1..).map(|(_, since)| *since).min();
        if let Some(since) =
            since.filter(|since| now > since + SUPERSEDED_MS && !host.halted_since(now - SUPERSEDED_MS))
        {
            let late = now - since;
            self.sim.violate(Invariant::Record, format_args!("a head of epoch {epoch} is written {late} ms too late"));
        }
    }

    /// When the next tree that a head names can first be read.
    fn look_at_next(&self, bytes: &[u8]) {
        let mut database = lock(&self.database);
        let head = database.recorded.get(&ObjectName::of(bytes)).cloned();
        if let Some(next) = head.as_ref().and_then(|head| head.next.as_ref()) {
            database.next_since.entry(next.top.clone()).or_insert(self.sim.now());
        }
    }

    /// All that a tree names, as far as KV has it. What it has can be read, in its place.
    fn names(&self, tree: &Tree) -> Vec<ObjectName> {
        let depths: Vec<u8> = tree.shape.object_depths().collect();
        let mut all = Vec::new();
        let mut level = tree.top.clone();
        for (depth, at) in depths.iter().zip(1..) {
            let mut below = Vec::new();
            for (name, prefix) in level.iter().zip(0..) {
                match self.children(name, Place { depth: *depth, prefix }, at == depths.len()) {
                    Ok(children) => below.extend(children),
                    Err(error) => self.sim.violate(Invariant::Objects, format_args!("{name} in KV: {error}")),
                }
            }
            all.append(&mut level);
            level = below;
        }
        all
    }

    /// What an object of KV names, none where KV has it not.
    fn children(&self, name: &ObjectName, place: Place, is_leaf: bool) -> Result<Vec<ObjectName>, DecodeError> {
        let origin = Origin { deployment: DEPLOYMENT, pepper: Pepper::new(PEPPER).id() };
        if let Some(children) = lock(&self.inner).children.get(name) {
            return Ok(children.clone());
        }
        let Some(bytes) = self.newest(&name.kv_key()) else { return Ok(Vec::new()) };
        let children = if is_leaf {
            Leaf::decode(bytes.as_slice().into(), origin, place).map(|_| Vec::new())?
        } else {
            Node::decode(&bytes, origin, place)?.children().to_vec()
        };
        lock(&self.inner).children.insert(*name, children.clone());
        Ok(children)
    }

    fn look_at_deletion(&self, key: &str) {
        let until = lock(&self.inner).named_until.get(key).copied().unwrap_or(0);
        let now = self.sim.now();
        if now < until {
            self.sim.violate(Invariant::Objects, format_args!("an object is collected that a usable head names"));
        } else if until > 0 && now < until + KEPT_MS {
            self.sim.violate(Invariant::Objects, format_args!("an object is collected that a head named till {until}"));
        }
    }

    fn count(&self, host: usize) {
        let now = self.sim.now();
        let mut inner = lock(&self.inner);
        let calls = inner.calls.entry(host).or_default();
        calls.push(now);
        inner.all_calls.push(now);
        // Two machines may call while the lease goes from one to the other, and never more.
        let fifth = inner.all_calls.len().checked_sub(5).and_then(|fifth| inner.all_calls.get(fifth));
        if fifth.is_some_and(|fifth| now < fifth + 1_000) {
            self.sim.violate(Invariant::Pace, format_args!("five calls of KV within a second"));
        }
        let calls = inner.calls.entry(host).or_default();
        let newest = calls.len().checked_sub(3).and_then(|third| calls.get(third));
        if let Some(third) = newest.filter(|third| now < **third + 1_000) {
            let within = now - third;
            drop(inner);
            self.sim.violate(Invariant::Pace, format_args!("three calls of KV within {within} ms"));
        }
    }
}
