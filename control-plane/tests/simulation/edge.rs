//! An edge: its clock, its lanes, and how a request is settled and heads are taken, as the product's rim
//! does it on its platform. What is held and how it is judged is the product's own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use keyward_shared::fingerprint::Pepper;
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{
    DecodeError, Head, HeadRefused, Need, ObjectName, Origin, TrustedKeys, decode_settings,
};
use tokio::time::{sleep, timeout};

use crate::bugs::Bug;
use crate::edge_src::freshness::Outcome;
use crate::edge_src::lanes::Lane;
use crate::edge_src::limits::{FIRST_HEAD_WAIT_MS, HEAD_WAIT_MS, LOAD_MS, MAX_WARMED_AT_ONCE, MAX_WARMED_IN_A_RUN};
use crate::front::Front;
use crate::isolate::{Asked, Isolate, Look, Patience};
use crate::judge::Judge;
use crate::kv::{DEPLOYMENT, Kv};
use crate::sim::{Sim, lock};
use crate::truth::{PEPPER, Verdict};

const LANE_MS: u64 = 5_000;
const LOOK_MS: u64 = 5;
const RETRY_MS: u64 = 100;
const KV_REFRESH_MS: u64 = 31_000;
const HTTP_REFRESH_MS: u64 = 1_000;
const OBJECT_TTL_S: u64 = 24 * 60 * 60;
const SHORTEST_TTL_S: u64 = 30;

/// An edge, through all of its isolates.
pub(crate) struct Edge {
    pub(crate) sim: Arc<Sim>,
    pub(crate) number: usize,
    pub(crate) skew_ms: i64,
    pub(crate) kv: Option<Arc<Kv>>,
    pub(crate) http: Option<Arc<Front>>,
    pub(crate) trusted: TrustedKeys,
    pub(crate) judge: Judge,
    pub(crate) held: Mutex<Arc<Mutex<Isolate>>>,
}

type Held = Arc<Mutex<Isolate>>;

impl Edge {
    /// The edge's own time.
    pub(crate) fn now(&self) -> u64 {
        self.sim.now().saturating_add_signed(self.skew_ms)
    }

    /// When the head that is held expires.
    pub(crate) fn expires_at(&self) -> Option<u64> {
        let held = Arc::clone(&lock(&self.held));
        let isolate = lock(&held);
        isolate.replica.head().map(|head| head.expires_at)
    }

    /// An isolate that holds nothing.
    pub(crate) fn new_isolate(&self) -> Held {
        let (kv, http) = (self.kv.as_ref().map(|_| KV_REFRESH_MS), self.http.as_ref().map(|_| HTTP_REFRESH_MS));
        Arc::new(Mutex::new(Isolate::new(kv, http, self.now())))
    }

    /// The isolate vanishes; the next request finds a new one.
    pub(crate) fn evict(&self) {
        self.sim.note(format_args!("edge {}: evicted", self.number));
        *lock(&self.held) = self.new_isolate();
        self.judge.forget();
    }

    /// Settles a request and looks at the verdict.
    pub(crate) async fn ask(self: Arc<Self>, asked: Asked) -> Verdict {
        let held = Arc::clone(&lock(&self.held));
        let now = self.now();
        let mut patience = Patience { confirmation: true, refusal: true };
        let mut load_deadline = None;
        let due = lock(&held).lanes.start_due(now);
        self.refresh(&held, due);
        if lock(&held).start_warming(now) {
            tokio::spawn(Arc::clone(&self).warm(Arc::clone(&held)));
        }
        loop {
            let look = self.look(&held, asked, now, patience);
            match look {
                Look::Done(verdict) => return verdict,
                Look::Unconfirmed => {
                    patience.confirmation = false;
                    self.wait_for_head(&held).await;
                }
                Look::Refused => {
                    patience.refusal = false;
                    lock(&held).lanes.note_doubt(now);
                    self.wait_for_head(&held).await;
                }
                Look::Load(need) => {
                    let deadline = *load_deadline.get_or_insert_with(|| self.now() + LOAD_MS);
                    if self.now() >= deadline {
                        let unavailable = if self.sim.has(Bug::MissingIsAbsent) {
                            Verdict::Refused("unknown")
                        } else {
                            Verdict::Unavailable("object_unavailable")
                        };
                        self.judge.look(&mut lock(&held), asked, unavailable, now);
                        return unavailable;
                    }
                    self.load(&held, need, deadline).await;
                }
            }
        }
    }

    fn look(&self, held: &Held, asked: Asked, now: u64, patience: Patience) -> Look {
        let mut isolate = lock(held);
        let look = isolate.look(&self.sim, asked, now, patience);
        if let Look::Done(verdict) = look {
            self.judge.look(&mut isolate, asked, verdict, now);
        }
        look
    }

    async fn wait_for_head(self: &Arc<Self>, held: &Held) {
        let started = self.now();
        let (lanes, before, cold) = {
            let mut isolate = lock(held);
            let lanes = isolate.lanes.start_wanted(started);
            (lanes, isolate.lanes.confirmed_at(started), isolate.replica.head().is_none())
        };
        self.refresh(held, lanes);
        let deadline = started + if cold { FIRST_HEAD_WAIT_MS } else { HEAD_WAIT_MS };
        loop {
            sleep(Duration::from_millis(LOOK_MS)).await;
            let now = self.now();
            let isolate = lock(held);
            if isolate.lanes.confirmed_at(now) != before || !isolate.lanes.is_asking(now) || now >= deadline {
                return;
            }
        }
    }

    /// Asks these lanes, which were marked as started, in the background.
    fn refresh(self: &Arc<Self>, held: &Held, lanes: Vec<Lane>) {
        for lane in lanes {
            let (edge, held) = (Arc::clone(self), Arc::clone(held));
            tokio::spawn(async move {
                let outcome = edge.read_head(&held, lane).await;
                edge.finish(&held, lane, outcome);
            });
        }
    }

    fn finish(&self, held: &Held, lane: Lane, outcome: Outcome) {
        let (now, jitter) = (self.now(), self.sim.below(1_000));
        let mut isolate = lock(held);
        let is_cold = isolate.replica.head().is_none();
        if let Some(freshness) = isolate.lanes.freshness_mut(lane) {
            freshness.finish(outcome, now, jitter);
            if is_cold {
                freshness.retry_soon(now, jitter);
            }
        }
    }

    async fn read_head(&self, held: &Held, lane: Lane) -> Outcome {
        if self.sim.has(Bug::ConfirmedUnread) && lock(held).etag.is_some() && self.sim.once_in(2) {
            return Outcome::Confirmed;
        }
        let bytes = match (lane, &self.kv, &self.http) {
            (Lane::Kv, Some(kv), _) => {
                let read = kv.read(self.number, "head", SHORTEST_TTL_S);
                match timeout(Duration::from_millis(LANE_MS), read).await {
                    Ok(Ok(Some(bytes))) => bytes,
                    _ => return Outcome::Failed,
                }
            }
            (Lane::Http, _, Some(front)) => match front.head(LANE_MS).await {
                Ok(Some(head)) => head.bytes.clone(),
                _ => return Outcome::Failed,
            },
            _ => return Outcome::Failed,
        };
        let bytes = self.judge.bend(bytes);
        let etag = ObjectName::of(&bytes);
        if lock(held).etag == Some(etag) {
            return Outcome::Confirmed;
        }
        let Ok(mut head) = Head::verify(&bytes, DEPLOYMENT, &self.trusted) else {
            self.sim.note(format_args!("edge {}: {lane:?}: a head is refused", self.number));
            return Outcome::Failed;
        };
        if self.sim.has(Bug::FloorsIgnored) {
            (head.recent_since, head.narrowed_since) = (0, 0);
        }
        let known = {
            let isolate = lock(held);
            match isolate.replica.would_adopt(&head, self.now()) {
                Ok(true) => {}
                Err(HeadRefused::Older) if self.sim.has(Bug::LowerHeadTaken) => {}
                Ok(false) | Err(HeadRefused::Older) => return Outcome::Behind,
                Err(error) => {
                    self.sim.note(format_args!("edge {}: {lane:?}: a head is refused: {error}", self.number));
                    return Outcome::Failed;
                }
            }
            let held = isolate.replica.head();
            let same = held.is_some_and(|held| held.settings == head.settings);
            same.then(|| isolate.replica.settings().clone())
        };
        let settings = match known {
            Some(settings) => settings,
            None => match self.settings(head.settings).await {
                Some(settings) => settings,
                None => return Outcome::Failed,
            },
        };
        let order = head.order();
        let mut isolate = lock(held);
        let tree = isolate.replica.head().map(|held| (held.tree.shape.clone(), held.generation));
        let before = tree.filter(|(shape, _)| *shape != head.tree.shape).map(|(_, since)| (since, isolate.told()));
        if isolate.adopt(&self.sim, (head, settings), etag, self.now()) {
            let (epoch, generation) = (order.epoch, order.generation);
            if let Some((since, before)) = before {
                self.judge.look_at_switch(&before, &isolate.told(), (since, order));
            }
            self.sim.note(format_args!("edge {}: {lane:?}: has head {epoch}.{generation}", self.number));
            return Outcome::Confirmed;
        }
        Outcome::Behind
    }

    /// One run of loading ahead what the next tree will need.
    async fn warm(self: Arc<Self>, held: Held) {
        let mut more = true;
        for _ in 0..MAX_WARMED_IN_A_RUN / MAX_WARMED_AT_ONCE {
            let needs = {
                let isolate = &mut *lock(&held);
                isolate.warming.next(&isolate.replica)
            };
            more = join_all(needs.iter().map(|need| self.warm_one(&held, need))).await.contains(&true);
            if !more {
                break;
            }
        }
        lock(&held).warming.finish(self.now(), more);
    }

    async fn warm_one(&self, held: &Held, need: &Need) -> bool {
        let mut take = |bytes| lock(held).replica.insert(need, bytes);
        let taken = self.fetch(need.name, self.now() + LOAD_MS, &mut take).await;
        if !taken {
            lock(held).warming.lack(need.name);
        }
        taken
    }

    async fn settings(&self, name: ObjectName) -> Option<Settings> {
        let mut settings = None;
        let mut take = |bytes: Vec<u8>| {
            let got = ObjectName::of(&bytes);
            if got != name {
                return Err(DecodeError::Name { expected: name, got });
            }
            let origin = Origin { deployment: DEPLOYMENT, pepper: Pepper::new(PEPPER).id() };
            settings = Some(decode_settings(&bytes, origin)?);
            Ok(())
        };
        self.fetch(name, self.now() + LANE_MS, &mut take).await;
        settings
    }

    async fn load(&self, held: &Held, need: Need, deadline: u64) {
        if !lock(held).begin_load(need.name, self.now()) {
            return sleep(Duration::from_millis(LOOK_MS)).await;
        }
        let mut take = |bytes| lock(held).replica.insert(&need, bytes);
        let taken = self.fetch(need.name, deadline, &mut take).await;
        lock(held).end_load(need.name);
        if !taken {
            sleep(Duration::from_millis(RETRY_MS)).await;
        }
    }

    /// Fetches an object from KV, from KV past its cache, then over http.
    async fn fetch(
        &self,
        name: ObjectName,
        deadline: u64,
        take: &mut (dyn FnMut(Vec<u8>) -> Result<(), DecodeError> + Send),
    ) -> bool {
        for ttl in [Some(OBJECT_TTL_S), Some(SHORTEST_TTL_S), None] {
            let left = deadline.saturating_sub(self.now());
            if left == 0 {
                break;
            }
            let got = match (ttl, &self.kv, &self.http) {
                (Some(ttl), Some(kv), _) => {
                    let key = name.kv_key();
                    let read = timeout(Duration::from_millis(left), kv.read(self.number, &key, ttl)).await;
                    read.ok().and_then(Result::ok).flatten()
                }
                (None, _, Some(front)) => front.object(&name, left).await.ok().flatten(),
                _ => None,
            };
            if got.is_some_and(|bytes| take(bytes).is_ok()) {
                return true;
            }
        }
        false
    }
}
