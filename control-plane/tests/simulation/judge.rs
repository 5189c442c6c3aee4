//! Whether a verdict is right, looked at in the moment in which it is given.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::snapshot::{Head, HeadOrder, Lookup, SigningKey, TrustedKeys};

use crate::bugs::Bug;
use crate::database::Database;
use crate::isolate::{Asked, Isolate};
use crate::kv::DEPLOYMENT;
use crate::sim::{Invariant, Lane, Sim, lock};
use crate::truth::{State, Verdict, secrets, verdict};

/// Seed of the key that heads are signed with.
pub(crate) const SIGNING_SEED: [u8; 32] = [3; 32];
/// Within which a change counts at an edge that reads heads over http, in milliseconds.
pub(crate) const HTTP_BOUND_MS: u64 = 2_500;
/// The same over KV.
pub(crate) const KV_BOUND_MS: u64 = 125_000;

/// Who looks at the verdicts of one edge.
pub(crate) struct Judge {
    pub(crate) sim: Arc<Sim>,
    pub(crate) edge: usize,
    pub(crate) database: Arc<Mutex<Database>>,
    /// The lane that counts, or none where the edge's clock is too far off for any bound.
    pub(crate) bound_by: Option<Lane>,
    /// The newest change that a verdict had to know.
    pub(crate) due: AtomicU64,
    /// What its isolate has shown to know of each secret.
    pub(crate) known: Mutex<BTreeMap<Fingerprint, u64>>,
}

impl Judge {
    /// Another isolate knows nothing.
    pub(crate) fn forget(&self) {
        lock(&self.known).clear();
    }

    /// A head as a publisher would make it that had the bug in question.
    pub(crate) fn bend(&self, bytes: Vec<u8>) -> Vec<u8> {
        if !(self.sim.has(Bug::RecentDropped) || self.sim.has(Bug::AheadDropped) && self.sim.once_in(2)) {
            return bytes;
        }
        let key = SigningKey::from_seed(&SIGNING_SEED);
        let trusted = TrustedKeys::new(vec![key.public()]);
        let Some(mut head) = trusted.and_then(|trusted| Head::verify(&bytes, DEPLOYMENT, &trusted).ok()) else {
            return bytes;
        };
        let (generation, tree_generation) = (head.generation, head.tree_generation);
        if self.sim.has(Bug::AheadDropped) {
            head.recent.retain(|entry| entry.generation <= generation);
        } else if let Some(at) = head.recent.iter().position(|entry| entry.generation > tree_generation) {
            head.recent.remove(at);
        }
        head.sign(DEPLOYMENT, &key).map_or(bytes, keyward_shared::snapshot::SignedHead::into_bytes)
    }

    /// Looks at a verdict that was just given, by the isolate as it is.
    pub(crate) fn look(&self, isolate: &mut Isolate, asked: Asked, given: Verdict, now: u64) {
        let fingerprint = &asked.secret.fingerprint;
        let Some(head) = isolate.replica.head() else {
            if given != Verdict::Unavailable("no_snapshot") {
                self.violate(Invariant::Unavailable, format_args!("without a head: {given:?}"));
            }
            if self.bound_by == Some(Lane::Http) && self.cutoff().is_some() {
                self.violate(Invariant::Bound, format_args!("no head, and nothing stands in the way"));
            }
            return;
        };
        let (order, expires_at) = (head.order(), head.expires_at);
        // What a head carries it carries as it was when the head was made, whatever generation the entry is of.
        let is_carried = head.recent_entry(fingerprint).is_some();
        if now >= expires_at {
            if !matches!(given, Verdict::Unavailable(_)) {
                self.violate(Invariant::Expired, format_args!("{given:?}, {} ms past expiry", now - expires_at));
            }
            return;
        }
        if let Verdict::Refused(reason) = given
            && matches!(isolate.replica.lookup_exact(fingerprint), Lookup::Need(_))
        {
            self.violate(Invariant::Unavailable, format_args!("{reason}, without the leaf that would tell"));
        }
        let database = lock(&self.database);
        let Some(committed) = database.heads.get(&order).map(|facts| facts.committed) else {
            return self.violate(Invariant::Record, format_args!("{order:?} is used and not on record"));
        };
        let committed = if is_carried { committed } else { order.generation };
        let agree = |from: u64| {
            let states = database.history.states(fingerprint, from, committed.max(from));
            let agrees = states.iter().find(|(_, state)| verdict(state, asked.writes, now) == given);
            agrees.map(|(generation, _)| *generation).ok_or_else(|| format!("{states:?}"))
        };
        let cutoff = self.cutoff();
        if let Verdict::Unavailable(code) = given {
            if self.bound_by == Some(Lane::Http) && cutoff.is_some() && code != "snapshot_expired" {
                self.violate(Invariant::Bound, format_args!("{code}, and nothing stands in the way"));
            }
            return;
        }
        let shown = match agree(order.generation) {
            Ok(shown) => shown,
            Err(states) => {
                return self
                    .violate(Invariant::Truth, format_args!("{given:?} by {order:?}, at {now}; truth: {states}"));
            }
        };
        self.sim.count_verdict();
        let known = lock(&self.known).get(fingerprint).copied().unwrap_or(0);
        let shown = match agree(order.generation.max(known)) {
            Ok(again) => shown.max(again),
            Err(states) => {
                return self.violate(Invariant::Forgotten, format_args!("{given:?} by {order:?}; truth: {states}"));
            }
        };
        lock(&self.known).insert(*fingerprint, shown);
        if let (Some(cutoff), Some(lane)) = (cutoff, self.bound_by) {
            let due = database.history.acknowledged(fingerprint, cutoff.0, cutoff.1);
            if due > self.due.load(Ordering::Relaxed) {
                // Changes from before the last verdict that counted show nothing again.
                self.due.store(due, Ordering::Relaxed);
                self.sim.count_bound(lane);
            }
            if let Err(states) = agree(order.generation.max(due)) {
                self.violate(Invariant::Bound, format_args!("{given:?} by {order:?}; due: {states}"));
            }
        }
    }

    /// Looks at what another tree made of secrets that were known before and after it was taken: between
    /// the head with generation `since` and that of `order`.
    pub(crate) fn look_at_switch(
        &self,
        before: &[Option<State>],
        after: &[Option<State>],
        (since, order): (u64, HeadOrder),
    ) {
        let database = lock(&self.database);
        let committed = database.heads.get(&order).map_or(u64::MAX, |facts| facts.committed);
        for ((before, after), secret) in before.iter().zip(after).zip(secrets()) {
            let (Some(before), Some(after)) = (before, after) else { continue };
            let is_changed = database.history.states(&secret.fingerprint, since, committed).len() > 1;
            if before != after && !is_changed {
                self.violate(Invariant::Switch, format_args!("another tree has {after:?} for {before:?}"));
            }
            self.sim.count_switch();
        }
    }

    /// Up to when changes must count here, and whether that is so of urgent ones alone. Nothing where
    /// something was out of order lately.
    fn cutoff(&self) -> Option<(u64, bool)> {
        let lane = self.bound_by?;
        let bound = if lane == Lane::Http { HTTP_BOUND_MS } else { KV_BOUND_MS };
        let cutoff = self.sim.now().saturating_sub(bound);
        (cutoff >= self.sim.disturbed_until(lane)).then_some((cutoff, self.sim.now() < self.sim.crowded_until()))
    }

    fn violate(&self, invariant: Invariant, words: std::fmt::Arguments<'_>) {
        self.sim.violate(invariant, format_args!("edge {}: {words}", self.edge));
    }
}
