//! What one isolate holds: its configuration, its replica of the snapshot, and its lanes' freshness.
//!
//! Borrowed for the length of a synchronous step and never across an await. Knows no platform.

use keyward_shared::credentials;
use keyward_shared::decision::{Decision, Grant, Refusal, decide};
use keyward_shared::fingerprint::{Digest, Fingerprint};
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{DecodeError, Head, Lookup, Need, ObjectName, Replica, ReplicaOptions};

use crate::assertion::Signer;
use crate::config::{Config, HttpLane};
use crate::freshness::{Freshness, State};
use crate::limits::{LOAD_MS, MAX_LOADS};
use crate::request::Asked;
use crate::verdict::{self, Verdict};
use crate::warming::Warming;

/// A lane that heads are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Kv,
    Http,
}

struct Load {
    name: ObjectName,
    started_at: u64,
}

/// The state of an isolate.
pub(crate) struct Isolate {
    pub(crate) replica: Replica,
    pub(crate) config: Config,
    signer: Option<Signer>,
    /// SHA-256 of the head that is held, as the http lane's `ETag` words it.
    pub(crate) head_etag: Option<String>,
    /// The generation of that head in words, for every grant tells it.
    generation: String,
    kv: Option<Freshness>,
    http: Option<Freshness>,
    loads: Vec<Load>,
    pub(crate) warming: Warming,
    doubted_at: Option<u64>,
    /// The key that waits for the first head of all.
    awaiting: Option<Digest>,
    pub(crate) rollbacks_ignored: u64,
}

/// What a synchronous look came to.
pub(crate) enum Look {
    /// Final.
    Done(Verdict),
    /// More must be known of the request.
    Facts,
    /// An object must be loaded.
    Load(Need),
    /// A newer head should be waited for.
    Wait(Why),
}

/// Why a newer head is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The head was not confirmed within the window, or there is none.
    Unconfirmed,
    /// A refusal that a newer head could turn.
    Refused,
}

impl Isolate {
    pub(crate) fn new(mut config: Config) -> Self {
        let replica = Replica::new(ReplicaOptions {
            deployment: config.deployment.clone(),
            peppers: config.peppers.clone(),
            min_epoch: config.min_epoch,
            cache_bytes: config.cache_bytes,
        });
        let signer = config.assertion_key.take().map(|key| Signer::new(key, config.deployment.clone()));
        Self {
            replica,
            signer,
            head_etag: None,
            generation: "0".to_owned(),
            kv: config.kv_lane.then(|| Freshness::new(config.kv_refresh_ms)),
            http: config.http_lane.is_some().then(|| Freshness::new(config.http_refresh_ms)),
            loads: Vec::new(),
            warming: Warming::default(),
            doubted_at: None,
            awaiting: None,
            rollbacks_ignored: 0,
            config,
        }
    }

    /// Looks at a request without waiting for anything.
    pub(crate) fn look(&mut self, asked: &Asked<'_>, now: u64, patience: Patience) -> Look {
        if patience.confirmation && !self.is_confirmed(now) && self.may_wait(now) {
            return Look::Wait(Why::Unconfirmed);
        }
        if asked.facts.is_none() && (asked.method == "OPTIONS" || self.replica.settings().accept.header.is_some()) {
            return Look::Facts;
        }
        let decision = decide(&mut self.replica, &asked.as_request(self.config.client_address), now);
        match decision {
            Decision::Deny(Refusal::Restricted) if asked.facts.is_none() => Look::Facts,
            Decision::Deny(refusal)
                if patience.refusal && refusal.may_be_stale() && self.doubts_a_refusal(now) && self.may_wait(now) =>
            {
                Look::Wait(Why::Refused)
            }
            decision => match verdict::of(decision) {
                Ok(verdict) => Look::Done(verdict),
                Err(need) => Look::Load(need),
            },
        }
    }

    /// The identity headers' values for a grant, each on a line. Nothing where an assertion should go with
    /// them and cannot be made.
    pub(crate) fn identity(&self, grant: &Grant, asked: &Asked<'_>, now: u64) -> Option<String> {
        let assertion = match &self.signer {
            Some(signer) => signer.assert(grant, asked, now)?,
            None => String::new(),
        };
        let mut lines = String::with_capacity(512);
        verdict::identity(grant, &self.generation, &assertion, &mut lines);
        Some(lines)
    }

    /// The public keys of assertions, as JSON.
    pub(crate) fn public_keys(&self) -> Option<String> {
        self.signer.as_ref().map(Signer::public_keys)
    }

    /// The lanes whose refresh should be started, marked as started.
    pub(crate) fn start_due(&mut self, now: u64) -> Vec<Lane> {
        self.lanes_mut()
            .filter(|(_, lane)| lane.is_due(now))
            .map(|(lane, freshness)| {
                freshness.start(now);
                lane
            })
            .collect()
    }

    /// The lanes to ask because somebody waits: those that are due, and the one whose pace counts
    /// even if its interval has not passed.
    pub(crate) fn start_wanted(&mut self, now: u64) -> Vec<Lane> {
        let mut lanes = self.start_due(now);
        if let Some(lane) = self.pace(now)
            && let Some(freshness) = self.freshness_mut(lane)
            && !freshness.is_running(now)
        {
            freshness.start(now);
            lanes.push(lane);
        }
        lanes
    }

    /// The lane whose interval and window count: http while it answers, else KV.
    fn pace(&self, now: u64) -> Option<Lane> {
        let answers = |freshness: &Option<Freshness>| freshness.as_ref().is_some_and(|lane| lane.answers(now));
        if answers(&self.http) || self.kv.is_none() { self.http.as_ref().map(|_| Lane::Http) } else { Some(Lane::Kv) }
    }

    const fn freshness(&self, lane: Lane) -> Option<&Freshness> {
        match lane {
            Lane::Kv => self.kv.as_ref(),
            Lane::Http => self.http.as_ref(),
        }
    }

    pub(crate) fn freshness_mut(&mut self, lane: Lane) -> Option<&mut Freshness> {
        match lane {
            Lane::Kv => self.kv.as_mut(),
            Lane::Http => self.http.as_mut(),
        }
    }

    /// Whether anything should be done in the background: a lane be asked, or the next tree be warmed.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.lanes().any(|lane| lane.is_due(now)) || self.warming_is_due(now)
    }

    fn warming_is_due(&self, now: u64) -> bool {
        self.replica.has_next() && self.warming.is_due(now)
    }

    /// Whether the next tree should be warmed; if so, that is marked as started.
    pub(crate) fn start_warming(&mut self, now: u64) -> bool {
        let is_due = self.warming_is_due(now);
        if is_due {
            self.warming.start(now);
        }
        is_due
    }

    /// When the lane that counts last confirmed the head. The other one does not confirm for it: what
    /// KV gives may have lain in a cache while the http lane would have had news.
    pub(crate) fn confirmed_at(&self, now: u64) -> Option<u64> {
        self.counting(now).and_then(Freshness::confirmed_at)
    }

    /// Whether the lane that counts may still come back with news.
    pub(crate) fn is_asking(&self, now: u64) -> bool {
        self.counting(now).is_some_and(|lane| lane.is_running(now))
    }

    fn counting(&self, now: u64) -> Option<&Freshness> {
        self.pace(now).and_then(|lane| self.freshness(lane))
    }

    /// Whether the head was confirmed within the window of the lane that counts.
    pub(crate) fn is_confirmed(&self, now: u64) -> bool {
        let lane = self.counting(now);
        let confirmed =
            |lane: &Freshness| lane.confirmed_at().is_some_and(|at| now <= at.saturating_add(lane.window_ms()));
        self.replica.head().is_some() && lane.is_some_and(confirmed)
    }

    /// Whether waiting can help: the lane that counts has not failed lately.
    fn may_wait(&self, now: u64) -> bool {
        self.counting(now).is_some_and(|lane| lane.may_wait(now))
    }

    /// Whether the head is older than one interval of the lane that counts, once per interval.
    fn doubts_a_refusal(&self, now: u64) -> bool {
        let Some(lane) = self.counting(now) else {
            return false;
        };
        let old = |at: Option<u64>| at.is_none_or(|at| now > at.saturating_add(lane.interval_ms()));
        old(lane.confirmed_at()) && old(self.doubted_at)
    }

    /// Notes that a refusal has its second look, begun now.
    pub(crate) const fn note_doubt(&mut self, now: u64) {
        self.doubted_at = Some(now);
    }

    pub(crate) fn state(&self, now: u64) -> State {
        match self.replica.head() {
            None => State::None,
            Some(head) if now >= head.expires_at => State::Expired,
            Some(_) if self.is_confirmed(now) => State::Fresh,
            Some(_) => State::Stale,
        }
    }

    /// Notes which head is held since now.
    pub(crate) fn note_adopted(&mut self, etag: String) {
        self.generation = self.replica.head().map_or(0, |head| head.generation).to_string();
        self.head_etag = Some(etag);
    }

    /// Notes whose request waits for the first head of all. How credentials are read is not known yet:
    /// the defaults are as good a guess as any.
    pub(crate) fn await_first_head(&mut self, asked: &Asked<'_>) {
        let credential = credentials::read(asked.authorization, None, &Settings::default());
        self.awaiting = credential.ok().map(|credential| credential.digest);
    }

    /// The object that whoever waits for the first head will need first, so that it can be loaded while
    /// the head's settings are: it has one of the places for loads from now on.
    pub(crate) fn begin_ahead(&mut self, head: &Head, now: u64) -> Option<(Fingerprint, ObjectName)> {
        let digest = self.awaiting.take()?;
        let pepper = self.config.peppers.iter().find(|pepper| pepper.id() == head.tree.pepper)?;
        let fingerprint = pepper.fingerprint(&digest);
        let (_, name) = head.tree.first_towards(&fingerprint)?;
        self.begin_load(name, now).then_some((fingerprint, name))
    }

    /// Takes what was loaded ahead, if it is the next object on the way to `fingerprint`.
    pub(crate) fn end_ahead(
        &mut self,
        (fingerprint, name): &(Fingerprint, ObjectName),
        bytes: Option<Vec<u8>>,
    ) -> Result<(), DecodeError> {
        self.end_load(*name);
        match (self.replica.lookup_exact(fingerprint), bytes) {
            (Lookup::Need(need), Some(bytes)) if need.name == *name => self.replica.insert(&need, bytes),
            _ => Ok(()),
        }
    }

    /// Takes one of the places for loads, unless all are taken or somebody loads this object.
    pub(crate) fn begin_load(&mut self, name: ObjectName, now: u64) -> bool {
        self.loads.retain(|load| now < load.started_at.saturating_add(LOAD_MS));
        if self.loads.len() >= MAX_LOADS || self.loads.iter().any(|load| load.name == name) {
            return false;
        }
        self.loads.push(Load { name, started_at: now });
        true
    }

    pub(crate) fn end_load(&mut self, name: ObjectName) {
        self.loads.retain(|load| load.name != name);
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.replica.head()
    }

    pub(crate) fn http_lane(&self) -> Option<HttpLane> {
        self.config.http_lane.clone()
    }

    fn lanes(&self) -> impl Iterator<Item = &Freshness> {
        self.http.iter().chain(&self.kv)
    }

    fn lanes_mut(&mut self) -> impl Iterator<Item = (Lane, &mut Freshness)> {
        let http = self.http.iter_mut().map(|lane| (Lane::Http, lane));
        http.chain(self.kv.iter_mut().map(|lane| (Lane::Kv, lane)))
    }
}

/// What a request may still wait for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For the head to be confirmed.
    pub(crate) confirmation: bool,
    /// For a newer head before a refusal.
    pub(crate) refusal: bool,
}

impl Patience {
    /// A request that has not waited yet.
    pub(crate) const FULL: Self = Self { confirmation: true, refusal: true };
}
