//! What one isolate of an edge holds, and the verdicts that it comes to, each looked at at once: the
//! product's replica, decision and lanes, around them as little as can be.

use keyward_shared::decision::{Decision, Refusal, Request, judge};
use keyward_shared::fingerprint::Pepper;
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{Head, HeadOrder, Lookup, Need, ObjectName, Replica, ReplicaOptions};

use crate::bugs::Bug;
use crate::edge_src::lanes::Lanes;
use crate::edge_src::limits::{LOAD_MS, MAX_LOADS};
use crate::edge_src::warming::Warming;
use crate::kv::DEPLOYMENT;
use crate::sim::{Invariant, Sim};
use crate::truth::{PEPPER, Secret, State, Verdict, secrets};

/// Secrets that are compared when another tree takes over.
const COMPARED: usize = 60;

/// What a look came to.
pub(crate) enum Look {
    Done(Verdict),
    Load(Need),
    Unconfirmed,
    Refused,
}

/// What a request may still wait for.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) confirmation: bool,
    pub(crate) refusal: bool,
}

/// A request.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) secret: &'static Secret,
    pub(crate) writes: bool,
}

impl Asked {
    fn request(&self) -> Request<'_> {
        let (method, path) = if self.writes { ("POST", "/orders") } else { ("GET", "/v1/ping") };
        Request { method, path, authorization: Some(&self.secret.authorization), ..Request::default() }
    }
}

/// An isolate.
pub(crate) struct Isolate {
    pub(crate) replica: Replica,
    pub(crate) lanes: Lanes,
    pub(crate) warming: Warming,
    /// The hash of the head that is held.
    pub(crate) etag: Option<ObjectName>,
    highest: Option<HeadOrder>,
    loads: Vec<(ObjectName, u64)>,
    born_at: u64,
}

fn replica() -> Replica {
    Replica::new(ReplicaOptions {
        deployment: DEPLOYMENT.to_owned(),
        peppers: vec![Pepper::new(PEPPER)],
        min_epoch: 0,
        cache_bytes: 64 << 20,
    })
}

impl Isolate {
    pub(crate) fn new(kv_refresh_ms: Option<u64>, http_refresh_ms: Option<u64>, now: u64) -> Self {
        Self {
            replica: replica(),
            lanes: Lanes::new(kv_refresh_ms, http_refresh_ms),
            warming: Warming::default(),
            etag: None,
            highest: None,
            loads: Vec::new(),
            born_at: now,
        }
    }

    pub(crate) fn is_confirmed(&self, now: u64) -> bool {
        self.replica.head().is_some() && self.lanes.is_confirmed(now)
    }

    /// Whether the next tree should be warmed; if so, that is marked as started.
    pub(crate) fn start_warming(&mut self, now: u64) -> bool {
        let is_due = self.replica.has_next() && self.warming.is_due(now);
        if is_due {
            self.warming.start(now);
        }
        is_due
    }

    /// What is held of some secrets, as of the head that is held, where nothing must be loaded to tell.
    pub(crate) fn told(&mut self) -> Vec<Option<State>> {
        let told = |secret: &Secret| match self.replica.lookup_exact(&secret.fingerprint) {
            Lookup::Found(record, policy) => Some(Some((record, policy.to_policy()))),
            Lookup::Absent => Some(None),
            Lookup::Need(_) | Lookup::NoHead => None,
        };
        secrets().iter().take(COMPARED).map(told).collect()
    }

    /// Takes a head and its settings; false where it was not to be taken.
    pub(crate) fn adopt(&mut self, sim: &Sim, (head, settings): (Head, Settings), etag: ObjectName, now: u64) -> bool {
        let order = head.order();
        if sim.has(Bug::LowerHeadTaken) && self.replica.order().is_some_and(|held| order < held) {
            self.replica = replica();
        }
        if sim.has(Bug::AheadDropped) && self.replica.order().is_some_and(|held| held < order) {
            self.replica = replica();
        }
        match self.replica.adopt(head, settings, now) {
            Ok(true) => self.etag = Some(etag),
            Ok(false) => return true,
            Err(_) => return false,
        }
        if self.highest.is_some_and(|highest| order < highest) {
            sim.violate(Invariant::Order, format_args!("an edge goes from {:?} back to {order:?}", self.highest));
        }
        self.highest = self.highest.max(Some(order));
        true
    }

    /// Looks at a request without waiting for anything.
    pub(crate) fn look(&mut self, sim: &Sim, asked: Asked, now: u64, patience: Patience) -> Look {
        if patience.confirmation && !self.is_confirmed(now) && self.lanes.may_wait(now) {
            return Look::Unconfirmed;
        }
        let judged_at = match (sim.bug, self.replica.head()) {
            (Some(Bug::DeadlineIgnored), Some(_)) => self.born_at,
            (Some(Bug::ExpiredUsed), Some(head)) => now.min(head.expires_at - 1),
            _ => now,
        };
        match judge(&mut self.replica, &asked.request(), judged_at).decision {
            Decision::Deny(refusal)
                if patience.refusal
                    && refusal.may_be_stale()
                    && self.lanes.doubts_a_refusal(now)
                    && self.lanes.may_wait(now) =>
            {
                Look::Refused
            }
            Decision::Need(_) if sim.has(Bug::MissingIsAbsent) && !patience.refusal => {
                Look::Done(Verdict::Refused("unknown"))
            }
            Decision::Need(need) => Look::Load(need),
            Decision::Pong(grant) | Decision::Allow(grant) => Look::Done(Verdict::Allowed(grant.key, grant.slot)),
            Decision::Public => Look::Done(Verdict::Unavailable("public")),
            Decision::Deny(Refusal::Unauthorized(reason)) => Look::Done(Verdict::Refused(reason.as_str())),
            Decision::Deny(refusal) if refusal.status() == 503 => Look::Done(Verdict::Unavailable(refusal.code())),
            Decision::Deny(refusal) => Look::Done(Verdict::Refused(refusal.code())),
        }
    }

    /// Takes one of the places for loads, unless all are taken or somebody loads this object.
    pub(crate) fn begin_load(&mut self, name: ObjectName, now: u64) -> bool {
        self.loads.retain(|(_, started_at)| now < started_at + LOAD_MS);
        let free = self.loads.len() < MAX_LOADS && self.loads.iter().all(|(loading, _)| *loading != name);
        if free {
            self.loads.push((name, now));
        }
        free
    }

    pub(crate) fn end_load(&mut self, name: ObjectName) {
        self.loads.retain(|(loading, _)| *loading != name);
    }
}
