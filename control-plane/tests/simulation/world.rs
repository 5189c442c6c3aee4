//! One story: machines, KV, edges and keys, and what happens to them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use keyward_control_plane::clock::Clock;
use keyward_control_plane::domain::change::Generation;
use keyward_control_plane::domain::time::UnixMillis;
use keyward_control_plane::lifecycle::notary::{NotaryError, Witness};
use keyward_control_plane::publish::{KvApi, PublicationStore, PublishOptions, Publisher, PublisherHandle};
use keyward_control_plane::store::audit::StoredCheckpoint;
use keyward_shared::fingerprint::Pepper;
use keyward_shared::snapshot::{SigningKey, TrustedKeys};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::bugs::Bug;
use crate::database::Database;
use crate::edge::Edge;
use crate::front::{Backend, Front};
use crate::host::Host;
use crate::isolate::Isolate;
use crate::judge::{Judge, SIGNING_SEED};
use crate::keys::Keys;
use crate::kv::{DEPLOYMENT, Kv, KvClient};
use crate::sim::{Lane, Sim, lock};
use crate::store::Store;
use crate::truth::PEPPER;

/// How long edges have to load what they use of another tree.
pub(crate) const WARM_UP: Duration = Duration::from_mins(3);

/// How a story is set.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) head_ttl: Duration,
    /// The longest until a write of KV shows, in milliseconds.
    pub(crate) kv_late_ms: u64,
    /// There is one process at a time, by a lock on the data directory.
    pub(crate) alone: bool,
    /// Which lanes each edge reads, and how far its clock is off.
    pub(crate) edges: Vec<(Lanes, i64)>,
    /// The most that a machine's clock is off.
    pub(crate) host_skew_ms: u64,
    /// The longest that a read of live secrets takes, in milliseconds: how long trees are built.
    pub(crate) read_ms: u64,
    /// Records that a leaf is aimed at.
    pub(crate) leaf_records: u64,
}

/// The lanes of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lanes {
    Kv,
    Http,
    Both,
}

/// Signs the audit log, which grows with each change: of what it says no verdict knows anything.
struct Log {
    host: Arc<Host>,
    database: Arc<Mutex<Database>>,
    newest: Mutex<Option<StoredCheckpoint>>,
    is_held: AtomicBool,
}

#[async_trait]
impl Witness for Log {
    async fn checkpoint(&self, now: UnixMillis, least_ms: i64) -> Result<Option<StoredCheckpoint>, NotaryError> {
        self.host.sim.pass(0, 20).await;
        if self.is_held.load(Ordering::Relaxed) {
            return Err(NotaryError::NotCompared);
        }
        let size = lock(&self.database).events;
        let mut newest = lock(&self.newest);
        let is_young = |newest: &&StoredCheckpoint| now.as_millis() - newest.at.as_millis() < least_ms;
        if let Some(newest) = newest.as_ref().filter(is_young) {
            return Ok(Some(newest.clone()));
        }
        let note = format!("simulated\n{size}\n");
        let signed = StoredCheckpoint { incarnation: 1, size, root: [0; 32], at: now, note };
        Ok(Some(newest.insert(signed).clone()))
    }

    fn hold(&self) {
        self.is_held.store(true, Ordering::Relaxed);
    }

    fn let_go(&self) {
        self.is_held.store(false, Ordering::Relaxed);
    }
}

/// A machine that publishes.
pub(crate) struct Machine {
    pub(crate) host: Arc<Host>,
    committed: watch::Sender<Generation>,
    logged: watch::Sender<u64>,
    /// What runs on it, once it does.
    publishing: Arc<Mutex<Option<PublisherHandle>>>,
}

/// The world of one story.
pub(crate) struct World {
    pub(crate) sim: Arc<Sim>,
    pub(crate) setting: Setting,
    pub(crate) database: Arc<Mutex<Database>>,
    pub(crate) kv: Arc<Kv>,
    pub(crate) front: Arc<Front>,
    pub(crate) edges: Vec<Arc<Edge>>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) keys: Keys,
    pub(crate) database_away_until: Arc<Mutex<u64>>,
}

fn trusted() -> Option<TrustedKeys> {
    TrustedKeys::new(vec![SigningKey::from_seed(&SIGNING_SEED).public()])
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>, setting: impl FnOnce(&Sim) -> Setting) -> Self {
        let sim = Arc::new(Sim::new(seed, bug));
        let setting = setting(&sim);
        let database = Arc::<Mutex<Database>>::default();
        let trusted = trusted().expect("one key");
        let readers = (setting.edges.len(), setting.kv_late_ms);
        let kv = Arc::new(Kv::new(Arc::clone(&sim), Arc::clone(&database), trusted.clone(), readers));
        let front = Arc::new(Front {
            sim: Arc::clone(&sim),
            database: Arc::clone(&database),
            backends: Mutex::default(),
            away_until: Mutex::default(),
            asked_at: Mutex::default(),
        });
        let edge = |(number, (lanes, skew_ms)): (usize, &(Lanes, i64))| {
            let lane = if *lanes == Lanes::Kv { Lane::Kv } else { Lane::Http };
            let far_off = skew_ms.unsigned_abs() + setting.host_skew_ms > 4 * 60 * 1_000;
            let judge = Judge {
                sim: Arc::clone(&sim),
                edge: number,
                database: Arc::clone(&database),
                bound_by: Some(lane).filter(|_| !far_off),
                due: AtomicU64::new(0),
                known: Mutex::default(),
            };
            let edge = Edge {
                sim: Arc::clone(&sim),
                number,
                skew_ms: *skew_ms,
                kv: Some(Arc::clone(&kv)).filter(|_| *lanes != Lanes::Http),
                http: Some(Arc::clone(&front)).filter(|_| *lanes != Lanes::Kv),
                trusted: trusted.clone(),
                judge,
                held: Mutex::new(Arc::new(Mutex::new(Isolate::new(None, None, 0)))),
            };
            *lock(&edge.held) = edge.new_isolate();
            Arc::new(edge)
        };
        let edges = setting.edges.iter().enumerate().map(edge).collect();
        let (keys, database_away_until) = (Keys::default(), Arc::default());
        sim.note(format_args!("{setting:?}"));
        Self { sim, setting, database, kv, front, edges, machines: Vec::new(), keys, database_away_until }
    }

    /// Starts a publisher on a machine of its own.
    pub(crate) fn start(&mut self) {
        let sim = &self.sim;
        let skew = i64::try_from(sim.between(0, 2 * self.setting.host_skew_ms)).unwrap_or(0);
        let skew = skew - i64::try_from(self.setting.host_skew_ms).unwrap_or(0);
        let host = Arc::new(Host::new(self.machines.len(), Arc::clone(sim), skew));
        sim.note(format_args!("{} starts, {skew} ms ahead", host.name));
        let store = Store {
            host: Arc::clone(&host),
            database: Arc::clone(&self.database),
            committed: watch::Sender::new(Generation(0)),
            logged: watch::Sender::new(0),
            away_until: Arc::clone(&self.database_away_until),
            alone: self.setting.alone,
            read_ms: self.setting.read_ms,
        };
        let (committed, logged) = (store.committed.clone(), store.logged.clone());
        let store: Arc<dyn PublicationStore> = Arc::new(store);
        let kv: Arc<dyn KvApi> = Arc::new(KvClient { host: Arc::clone(&host), kv: Arc::clone(&self.kv) });
        let (head_ttl, holder) = (self.setting.head_ttl, host.name.clone());
        let leaf_records = self.setting.leaf_records;
        let warm_up = if sim.has(Bug::SwitchedUnwarmed) { Duration::ZERO } else { WARM_UP };
        let options = move || PublishOptions {
            deployment: DEPLOYMENT.to_owned(),
            signing_seed: Zeroizing::new(SIGNING_SEED),
            pepper: Pepper::new(PEPPER).id(),
            kv: Some(Arc::clone(&kv)),
            head_ttl,
            heartbeat: Duration::from_mins(5),
            checkpoint_every: Duration::from_secs(10),
            kv_min_interval: Duration::from_millis(1_100),
            warm_up,
            leaf_records,
            collect_every: Duration::from_mins(10),
            holder: holder.clone(),
        };
        let clock = Arc::clone(&host) as Arc<dyn Clock>;
        let handle = Arc::<Mutex<Option<PublisherHandle>>>::default();
        self.machines.push(Machine { host: Arc::clone(&host), committed, logged, publishing: Arc::clone(&handle) });
        let (front, database) = (Arc::clone(&self.front), Arc::clone(&self.database));
        let begin = async move {
            // One that cannot read the database at its start ends, and is started again.
            let publisher = loop {
                let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
                let (newest, is_held) = (Mutex::default(), AtomicBool::new(false));
                let log = Log { host: Arc::clone(&host), database: Arc::clone(&database), newest, is_held };
                match Publisher::new(store, (Arc::new(log), Arc::default()), clock, options()).await {
                    Ok(publisher) => break publisher,
                    Err(_) => sleep(Duration::from_secs(1)).await,
                }
            };
            let publishing = publisher.spawn();
            lock(&front.backends).push(Backend { host, source: publishing.source() });
            *lock(&handle) = Some(publishing);
        };
        tokio::spawn(begin);
    }

    /// Tells the publishers that something was committed.
    pub(crate) fn tell(&self, generation: u64) {
        for machine in &self.machines {
            machine.committed.send_replace(Generation(generation));
        }
    }

    /// Something is logged that changes nothing else. One machine hears of it at once.
    pub(crate) fn log(&self) {
        let events = {
            let mut database = lock(&self.database);
            database.events += 1;
            database.events
        };
        if let Some(machine) = self.sim.one_of(&self.machines) {
            machine.logged.send_replace(events);
        }
    }

    /// Machines that are not dead.
    pub(crate) fn alive(&self) -> Vec<usize> {
        let alive = self.machines.iter().filter(|machine| !machine.host.is_dead());
        alive.map(|machine| machine.host.number).collect()
    }

    /// Whether some machine publishes, as far as that can be told.
    pub(crate) fn is_served(&self) -> bool {
        let holder = lock(&self.database).lease.as_ref().map(|(holder, _)| holder.clone());
        let mut alive = self.machines.iter().filter(|machine| !machine.host.is_dead() && !machine.host.is_cut_off());
        alive.any(|machine| holder.as_ref() == Some(&machine.host.name))
    }

    /// The database answers.
    pub(crate) fn database_answers(&self) -> bool {
        *lock(&self.database_away_until) <= self.sim.now()
    }

    /// A machine's publisher is told to stop, and is given the time.
    pub(crate) async fn stop(&self, number: usize) {
        let Some(machine) = self.machines.get(number) else { return };
        let publishing = lock(&machine.publishing).take();
        if let Some(publishing) = publishing {
            self.sim.note(format_args!("{} is stopped", machine.host.name));
            let _ = timeout(Duration::from_secs(5), publishing.stop()).await;
        }
        machine.host.die();
    }
}
