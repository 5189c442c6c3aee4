//! The database as one machine reaches it: every call takes time, and the machine may die before it, or
//! after it and before it hears of it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use keyward_control_plane::domain::audit::merkle::Edge;
use keyward_control_plane::domain::change::Generation;
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::publish::Commits;
use keyward_control_plane::store::publication::{
    EdgesWithout, LiveKey, NewHead, ObjectTotals, Publication, PublicationView, Raise, RecordedHead,
};
use keyward_control_plane::store::{StoreError, TreeState};
use keyward_shared::fingerprint::PepperId;
use keyward_shared::snapshot::{HeadOrder, ObjectName};
use tokio::sync::watch;

use crate::bugs::Bug;
use crate::database::{Database, Object, Standing};
use crate::host::{Host, Step};
use crate::record;
use crate::sim::{BOTH, lock};
use crate::view::View;

/// How long an object stays after the last head that named it has expired.
const AFTER_EXPIRY_MS: i64 = 2 * 60 * 60 * 1_000;

/// Who stood still so lately may go on with what it looked at before.
const JUST_WOKEN_MS: u64 = 1_000;

/// A machine's connection to the database.
pub(crate) struct Store {
    pub(crate) host: Arc<Host>,
    pub(crate) database: Arc<Mutex<Database>>,
    pub(crate) committed: watch::Sender<Generation>,
    pub(crate) logged: watch::Sender<u64>,
    /// Until when the database does not answer.
    pub(crate) away_until: Arc<Mutex<u64>>,
    /// There is but one process at a time, so that the lease is free for whoever asks.
    pub(crate) alone: bool,
    /// The longest that a read of live secrets takes, in milliseconds.
    pub(crate) read_ms: u64,
}

impl Store {
    /// Does something in one transaction.
    async fn call<T>(&self, call: &'static str, does: impl FnOnce(&mut Database) -> T) -> Result<T, StoreError> {
        let sim = &self.host.sim;
        self.host.point(Step::Before(call)).await;
        sim.pass(0, 3).await;
        let is_cut_off = self.host.is_cut_off();
        if is_cut_off || *lock(&self.away_until) > sim.now() {
            if !is_cut_off && sim.once_in(4) {
                // It is done, and nobody hears of it.
                drop(does(&mut lock(&self.database)));
            }
            return Err(StoreError::Unavailable("the database is away".into()));
        }
        let done = does(&mut lock(&self.database));
        self.host.point(Step::After(call)).await;
        Ok(done)
    }
}

#[async_trait]
impl Commits for Store {
    fn committed(&self) -> watch::Receiver<Generation> {
        self.committed.subscribe()
    }

    fn logged(&self) -> watch::Receiver<u64> {
        self.logged.subscribe()
    }

    async fn generation(&self) -> Result<Generation, StoreError> {
        self.call("generation", |database| Generation(database.committed.generation)).await
    }

    async fn tree(&self) -> Result<TreeState, StoreError> {
        let size = self.call("tree", |database| database.events).await?;
        let peaks = vec![[0; 32]; usize::try_from(size.count_ones()).unwrap_or(0)];
        let edge = Edge::new(size, peaks).ok_or(StoreError::Corrupt { what: "tree", source: None })?;
        Ok(TreeState { edge, pruned: 0, incarnation: 1 })
    }
}

#[async_trait]
impl Publication for Store {
    fn is_alone(&self) -> bool {
        self.alone || self.host.sim.has(Bug::CutOffServes)
    }

    async fn view(&self) -> Result<Box<dyn PublicationView>, StoreError> {
        let sim = &self.host.sim;
        let ahead = sim.has(Bug::GenerationAhead);
        let now = sim.now();
        let committed = self.call("view", |database| {
            let mut committed = database.committed.clone();
            if ahead && now < database.committed_at + 200 && committed.generation > 0 {
                // The newest generation is there, and what it did is not.
                let generation = committed.generation;
                committed = database.before.clone();
                committed.generation = generation;
            }
            committed
        });
        let cut = sim.has(Bug::MutationCut);
        Ok(Box::new(View { committed: committed.await?, cut, sim: Arc::clone(sim), read_ms: self.read_ms }))
    }

    async fn acquire_lease(&self, holder: &str, now: UnixMillis, until: UnixMillis) -> Result<Option<u64>, StoreError> {
        let (alone, kept) = (self.alone, self.host.sim.has(Bug::EpochKept));
        let lost_at = self.host.sim.now();
        let acquired = self.call("acquire_lease", |database| {
            let held = database.lease.as_ref().filter(|(by, until)| by != holder && *until > now.as_millis());
            if held.is_some() && !alone {
                return None;
            }
            let before = database.lease.take().filter(|(before, _)| before != holder);
            if let Some((before, _)) = before {
                database.lease_lost_at.insert(before, lost_at);
            }
            database.lease = Some((holder.to_owned(), until.as_millis()));
            database.events += 1;
            if !kept || database.epoch == 0 {
                database.epoch += 1;
            }
            Some(database.epoch)
        });
        let acquired = acquired.await?;
        if let Some(epoch) = acquired {
            let sim = &self.host.sim;
            sim.note(format_args!("{holder} has the lease, in epoch {epoch}"));
            sim.disturb_until(sim.now() + 1_000, BOTH);
        }
        Ok(acquired)
    }

    async fn renew_lease(&self, holder: &str, until: UnixMillis) -> Result<bool, StoreError> {
        let renew = |database: &mut Database| {
            let held = database.holds_lease(holder);
            if held {
                database.lease = Some((holder.to_owned(), until.as_millis()));
            }
            held
        };
        self.call("renew_lease", renew).await
    }

    async fn holds_lease(&self, holder: &str) -> Result<bool, StoreError> {
        let all = self.host.sim.has(Bug::StandbyCollects);
        self.call("holds_lease", |database| all || database.holds_lease(holder)).await
    }

    async fn release_lease(&self, holder: &str) -> Result<(), StoreError> {
        self.call("release_lease", |database| database.lease.take_if(|(by, _)| by == holder)).await.map(drop)
    }

    async fn recorded_head(&self) -> Result<Option<RecordedHead>, StoreError> {
        self.call("recorded_head", |database| database.head.clone()).await
    }

    async fn stage_objects(&self, objects: &[(ObjectName, Vec<u8>)]) -> Result<(), StoreError> {
        let stage = |database: &mut Database| {
            for (name, bytes) in objects {
                let staged = || Object { bytes: bytes.clone(), standing: Standing::Staged, sent: false };
                database.dropped.remove(name);
                database.objects.entry(*name).or_insert_with(staged);
            }
        };
        self.call("stage_objects", stage).await
    }

    async fn record_head(&self, holder: &str, head: &NewHead<'_>) -> Result<bool, StoreError> {
        let sim = Arc::clone(&self.host.sim);
        let record = |database: &mut Database| {
            if !database.holds_lease(holder) {
                return Ok(false);
            }
            let says = record::look(&sim, database, head, self.host.number);
            if !head.named.iter().all(|name| database.objects.contains_key(name)) {
                return Err(StoreError::Misused("an object that the head names is not there".into()));
            }
            if !sim.has(Bug::ServedUnrecorded) {
                database.record(head, says, self.host.number);
            }
            Ok(true)
        };
        let recorded = self.call("record_head", record).await??;
        let HeadOrder { epoch, generation, issued_at } = head.order;
        let words = if recorded { "records" } else { "may not record" };
        self.host.sim.note(format_args!("{holder} {words} {epoch}.{generation} issued {issued_at}"));
        Ok(recorded)
    }

    async fn mark_head_compared(&self) -> Result<(), StoreError> {
        let mark = |database: &mut Database| {
            if let Some(head) = &mut database.head {
                head.compared = Some(head.order);
            }
        };
        self.call("mark_head_compared", mark).await
    }

    async fn object(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, StoreError> {
        self.call("object", |database| database.objects.get(name).map(|object| object.bytes.clone())).await
    }

    async fn unsent_objects(&self, bytes: usize) -> Result<Vec<(ObjectName, Vec<u8>)>, StoreError> {
        let unsent = |database: &mut Database| {
            let (mut unsent, mut total) = (Vec::new(), 0);
            let is_unsent = |object: &&Object| object.standing == Standing::Named && !object.sent;
            for (name, object) in database.objects.iter().filter(|(_, object)| is_unsent(object)) {
                total += object.bytes.len();
                unsent.push((*name, object.bytes.clone()));
                if total >= bytes {
                    break;
                }
            }
            unsent
        };
        self.call("unsent_objects", unsent).await
    }

    async fn mark_objects_sent(&self, names: &[ObjectName], _: UnixMillis) -> Result<(), StoreError> {
        let mark = |database: &mut Database| {
            for name in names {
                if let Some(object) = database.objects.get_mut(name) {
                    object.sent = true;
                }
            }
        };
        self.call("mark_objects_sent", mark).await
    }

    async fn mark_head_sent(&self, order: HeadOrder, at: UnixMillis) -> Result<(), StoreError> {
        let mark = |database: &mut Database| {
            if let Some(head) = &mut database.head
                && head.sent.is_none_or(|(sent, _)| sent <= order)
            {
                head.sent = Some((order, at));
            }
        };
        self.call("mark_head_sent", mark).await
    }

    async fn object_totals(&self) -> Result<ObjectTotals, StoreError> {
        Ok(ObjectTotals { objects: 0, bytes: 0 })
    }

    async fn forget_staged(&self) -> Result<u64, StoreError> {
        let forget = |database: &mut Database| {
            let is_staged = |object: &Object| object.standing == Standing::Staged;
            let woke = self.host.halted_since(self.host.sim.now() - JUST_WOKEN_MS);
            if woke && !database.holds_lease(&self.host.name) {
                let staged = database.objects.iter().filter(|(_, object)| is_staged(object)).map(|(name, _)| *name);
                database.dropped.extend(staged);
            }
            database.objects.retain(|_, object| !is_staged(object));
        };
        self.call("forget_staged", forget).await?;
        Ok(0)
    }

    async fn forget_outbox(&self, through: u64) -> Result<(), StoreError> {
        let forget = |database: &mut Database| {
            Arc::make_mut(&mut database.committed.outbox).retain(|row| row.generation > through);
        };
        self.call("forget_outbox", forget).await
    }

    async fn collectable(&self, expired_before: UnixMillis, limit: u32) -> Result<Vec<ObjectName>, StoreError> {
        let early = if self.host.sim.has(Bug::CollectedEarly) { AFTER_EXPIRY_MS } else { 0 };
        let before = expired_before.as_millis() + early;
        let named = self.host.sim.has(Bug::CollectedNamed);
        let is_old = |object: &Object| matches!(object.standing, Standing::Retired(until) if named || until < before);
        let collect = |database: &mut Database| {
            let old = database.objects.iter().filter(|(_, object)| is_old(object)).map(|(name, _)| *name);
            old.take(limit as usize).collect()
        };
        self.call("collectable", collect).await
    }

    async fn forget_objects(&self, names: &[ObjectName]) -> Result<(), StoreError> {
        let forget = |database: &mut Database| {
            let is_forgotten = |name: &ObjectName, object: &Object| {
                names.contains(name) && matches!(object.standing, Standing::Retired(_))
            };
            database.objects.retain(|name, object| !is_forgotten(name, object));
        };
        self.call("forget_objects", forget).await
    }

    async fn raise_counters(&self, _: &Raise) -> Result<(), StoreError> {
        Err(StoreError::Misused("nothing is restored here".into()))
    }

    async fn edges_without(&self, _: PepperId, _: UnixMillis, _: u32) -> Result<EdgesWithout, StoreError> {
        Err(StoreError::Misused("no pepper is replaced here".into()))
    }

    async fn live_keys(&self) -> Result<Vec<LiveKey>, StoreError> {
        Err(StoreError::Misused("nothing is restored here".into()))
    }
}
