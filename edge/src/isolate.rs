//! What one isolate holds: its configuration, its replica of the snapshot, its lanes, and what it
//! counts.
//!
//! Borrowed for the length of a synchronous step and never across an await. Knows no platform.

use keyward_shared::credentials;
use keyward_shared::decision::{Decision, Grant, Judged, Refusal, judge};
use keyward_shared::fingerprint::{Digest, Fingerprint, Pepper};
use keyward_shared::report::{self, Counter, State};
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{DecodeError, Head, Lookup, Need, ObjectName, Replica, ReplicaOptions};

use crate::assertion::Signer;
use crate::config::{Config, HttpLane};
use crate::freshness::is_within;
use crate::lanes::Lanes;
use crate::limits::{LOAD_MS, MAX_LOADS};
use crate::request::Asked;
use crate::tally::{Standing, Tally};
use crate::verdict::{self, Verdict};
use crate::warming::Warming;

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
    pub(crate) lanes: Lanes,
    pub(crate) tally: Tally,
    loads: Vec<Load>,
    pub(crate) warming: Warming,
    /// The key that waits for the first head of all.
    awaiting: Option<Digest>,
    pub(crate) rollbacks_ignored: u64,
    /// The verdict that was looked up last.
    judged: Option<Judged>,
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
    pub(crate) fn new(mut config: Config, now: u64) -> Self {
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
            lanes: Lanes::new(
                config.kv_lane.then_some(config.kv_refresh_ms),
                config.http_lane.as_ref().map(|_| config.http_refresh_ms),
            ),
            tally: Tally::new(now),
            loads: Vec::new(),
            warming: Warming::default(),
            awaiting: None,
            rollbacks_ignored: 0,
            judged: None,
            config,
        }
    }

    /// Looks at a request without waiting for anything.
    pub(crate) fn look(&mut self, asked: &Asked<'_>, now: u64, patience: Patience) -> Look {
        if patience.confirmation && !self.is_confirmed(now) && self.lanes.may_wait(now) {
            return Look::Wait(Why::Unconfirmed);
        }
        if asked.facts.is_none() && (asked.method == "OPTIONS" || self.replica.settings().accept.header.is_some()) {
            return Look::Facts;
        }
        let judged = judge(&mut self.replica, &asked.as_request(self.config.client_address), now);
        self.judged = Some(judged);
        match judged.decision {
            Decision::Deny(Refusal::Restricted) if asked.facts.is_none() => Look::Facts,
            Decision::Deny(refusal)
                if patience.refusal
                    && refusal.may_be_stale()
                    && self.lanes.doubts_a_refusal(now)
                    && self.lanes.may_wait(now) =>
            {
                Look::Wait(Why::Refused)
            }
            decision => match verdict::of(decision) {
                Ok(verdict) => Look::Done(verdict),
                Err(need) => Look::Load(need),
            },
        }
    }

    /// The identity headers' values for a grant, each on a line.
    pub(crate) fn identity(&self, grant: &Grant, asked: &Asked<'_>, now: u64) -> String {
        let assertion = self.signer.as_ref().map(|signer| signer.assert(grant, asked, now)).unwrap_or_default();
        let mut lines = String::with_capacity(512);
        verdict::identity(grant, &self.generation, &assertion, &mut lines);
        lines
    }

    /// The public keys of assertions, as JSON.
    pub(crate) fn public_keys(&self) -> Option<String> {
        self.signer.as_ref().map(Signer::public_keys)
    }

    /// Counts the verdict that [`Self::look`] came to last: the instance's request `ordinal` is answered
    /// with it.
    pub(crate) fn count_answered(&mut self, ordinal: u32, now: u64) {
        if let Some(judged) = self.judged.take() {
            self.tally.count(&judged, ordinal, now);
        }
    }

    /// The same where it lacked an object that could not be had.
    pub(crate) fn count_unavailable(&mut self, ordinal: u32, now: u64) {
        if let Some(judged) = &mut self.judged {
            judged.decision = Decision::Deny(Refusal::ObjectUnavailable);
        }
        self.tally.note(Counter::LoadFailed);
        self.count_answered(ordinal, now);
    }

    /// Whether anything should be done in the background: a lane be asked, or the next tree be warmed.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.lanes.is_due(now) || self.warming_is_due(now)
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

    /// Whether the head was confirmed within the window of the lane that counts.
    pub(crate) fn is_confirmed(&self, now: u64) -> bool {
        self.replica.head().is_some() && self.lanes.is_confirmed(now)
    }

    pub(crate) fn state(&self, now: u64) -> State {
        match self.replica.head() {
            None => State::None,
            Some(head) if now >= head.expires_at => State::Expired,
            // Heads are signed anew before half of that time is over: there is a newer one, whatever lanes say.
            Some(head) if now >= head.issued_at.midpoint(head.expires_at) => State::Stale,
            Some(_) if self.is_confirmed(now) => State::Fresh,
            Some(_) => State::Stale,
        }
    }

    /// Notes which head is held since `now`.
    pub(crate) fn note_adopted(&mut self, etag: String, now: u64) {
        self.generation = self.replica.head().map_or(0, |head| head.generation).to_string();
        self.head_etag = Some(etag);
        if let Some(head) = self.replica.head() {
            self.tally.note_applied(head.order(), head.ack_wanted, now);
        }
    }

    /// Whether a report should be sent or waited for, where there is somebody to send it to.
    pub(crate) fn report_is_wanting(&self, now: u64) -> bool {
        self.config.reports && self.tally.is_wanting(now)
    }

    /// Begins to send a report, as [`Tally::take`] does.
    pub(crate) fn take_report(&mut self, again: bool, now: u64) -> Option<&[u8]> {
        if !self.config.reports {
            return None;
        }
        let standing = Standing {
            lanes: report::Lanes { kv: self.config.kv_lane, http: self.config.http_lane.is_some() },
            state: self.state(now),
            peppers: self.config.peppers.iter().map(Pepper::id).collect(),
            held: self.replica.head().map(Head::order),
        };
        self.tally.take(standing, again, now).ok().flatten()
    }

    /// How long to wait until a report should be sent, as [`Tally::await_due`] does.
    pub(crate) fn await_report(&mut self, now: u64) -> Option<u64> {
        if self.config.reports { self.tally.await_due(now) } else { None }
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
        self.loads.retain(|load| is_within(now, load.started_at, LOAD_MS));
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
