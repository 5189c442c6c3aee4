//! Three hours without a control plane and without KV, then a day, then both are back. What was seen is printed as
//! a line of JSON behind `three hours alone: `, for the benchmark of propagation to tell.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use keyward_control_plane::publish::TARGET_RECORDS;
use keyward_shared::record::Deadline;
use serde_json::json;
use tokio::time::sleep;

use crate::edge::Edge;
use crate::isolate::Asked;
use crate::kv::ReadFault;
use crate::sim::lock;
use crate::story::tell;
use crate::truth::{State, Verdict, secrets, verdict};
use crate::world::{Lanes, Setting, World};

const SECOND_MS: u64 = 1_000;
const THREE_HOURS_MS: u64 = 3 * 60 * 60 * SECOND_MS;
/// A request waits for a newer head so long at most, and looks every few milliseconds.
const MOST_WAIT_MS: u64 = 505;
/// A refresh that follows failed ones comes within this: the longest pause between attempts, and what is looked
/// at then; over KV alone, one that found the head from before comes 31 s later.
const RECOVERY_HTTP_MS: u64 = 25 * SECOND_MS;
const RECOVERY_KV_MS: u64 = 35 * SECOND_MS;
/// Edges of one lane come back over at least this.
const SPREAD_MS: u64 = 3 * SECOND_MS;
/// Two edges that ask within this ask at once.
const AT_ONCE_MS: u64 = 100;

fn setting() -> Setting {
    let lanes = [Lanes::Kv, Lanes::Http, Lanes::Both];
    Setting {
        head_ttl: Duration::from_hours(24),
        kv_late_ms: 200,
        alone: true,
        edges: lanes.into_iter().cycle().take(12).map(|lanes| (lanes, 0)).collect(),
        host_skew_ms: 0,
        read_ms: 0,
        leaf_records: TARGET_RECORDS,
    }
}

#[test]
fn three_hours_alone() {
    let told = tell(|| World::new(0, None, |_| setting()), &World::be_alone);
    assert!(told.violation.is_none(), "{:?}", told.violation);
}

/// What was seen, where nothing was wrong: whatever is, ends the test.
#[derive(Default)]
struct Seen {
    /// Verdicts that were what they should be while nothing answered, all of a head that held.
    verdicts: AtomicU64,
    /// Requests that were refused for a head that had expired.
    expired: AtomicU64,
}

impl World {
    async fn be_alone(&mut self) {
        let seen = Arc::<Seen>::default();
        self.create(24, None);
        self.start();
        sleep(Duration::from_secs(2)).await;
        for grace_s in [1_800, 2_700, 3_600, 6_300, 7_200, 8_100, 10_000, 20_000] {
            self.rotate(grace_s);
        }
        self.pause(true);
        for in_s in [900, 5_400, 10_790] {
            self.expire(Some(in_s));
        }
        self.disable();
        sleep(Duration::from_secs(150)).await;
        let known = self.known();
        self.ask_everywhere(&known, &Seen::default()).await;
        sleep(Duration::from_secs(40)).await;
        self.ask_everywhere(&known, &Seen::default()).await;

        self.cut_off();
        let cut_at = self.sim.now();
        let deadlines = self.deadlines(&known, cut_at);
        assert!(deadlines.len() >= 6, "{deadlines:?}");
        for &deadline in &deadlines {
            // The verdict turns with the millisecond, with every edge.
            sleep(Duration::from_millis(deadline - 1 - self.sim.now())).await;
            self.ask_everywhere_at_once(&known, &seen).await;
            sleep(Duration::from_millis(deadline.saturating_sub(self.sim.now()))).await;
            self.ask_everywhere_at_once(&known, &seen).await;
        }
        sleep(Duration::from_millis((cut_at + THREE_HOURS_MS).saturating_sub(self.sim.now()))).await;
        self.ask_everywhere(&known, &seen).await;

        let good = good(&known);
        self.expire_everywhere(good, &seen).await;
        let (at_once, [http_ms, kv_ms]) = self.recover(good, &seen).await;
        let told = json!({
            "edges": self.edges.len(),
            "deadlines": deadlines.len(),
            "verdicts": seen.verdicts.load(Ordering::Relaxed),
            "expired": seen.expired.load(Ordering::Relaxed),
            "recovered_over_http_ms": http_ms,
            "recovered_over_kv_alone_ms": kv_ms,
            "most_at_once": at_once,
        });
        println!("three hours alone: {told}");
    }

    /// Every secret there is, as it is now.
    fn known(&self) -> BTreeMap<usize, State> {
        let database = lock(&self.database);
        let generation = database.committed.generation;
        let state = |secret: usize| {
            let states = database.history.states(&secrets()[secret].fingerprint, generation, generation);
            (secret, states[0].1.clone())
        };
        (0..self.keys.seen()).map(state).collect()
    }

    /// The ends of those that hold now and do not in three hours, in order.
    fn deadlines(&self, known: &BTreeMap<usize, State>, now: u64) -> Vec<u64> {
        let of = |deadline: Deadline| deadline.seconds().map(|second| u64::from(second) * SECOND_MS);
        let all = known.values().flatten().filter_map(|(record, _)| of(record.deadline));
        let mut deadlines: Vec<u64> = all.filter(|at| *at > now + SECOND_MS && *at < now + THREE_HOURS_MS).collect();
        deadlines.sort_unstable();
        deadlines.dedup();
        self.sim.note(format_args!("deadlines: {deadlines:?}"));
        deadlines
    }

    fn cut_off(&mut self) {
        self.sim.note(format_args!("nothing answers any more"));
        *lock(&self.front.away_until) = u64::MAX;
        for reader in 0..self.edges.len() {
            self.kv.fail_reads(reader, ReadFault::Away, u64::MAX);
        }
        self.machines.iter().for_each(|machine| machine.host.die());
    }

    /// Every edge says of every secret what is true of it, and nobody waits for long.
    async fn ask_everywhere(&self, known: &BTreeMap<usize, State>, seen: &Seen) {
        for edge in &self.edges {
            compare(edge, known, seen).await;
        }
    }

    async fn ask_everywhere_at_once(&self, known: &BTreeMap<usize, State>, seen: &Seen) {
        join_all(self.edges.iter().map(|edge| compare(edge, known, seen))).await;
    }

    /// To the millisecond, every edge stops to let anything pass when its head expires.
    async fn expire_everywhere(&self, good: Asked, seen: &Seen) {
        let each = self.edges.iter().map(async |edge| {
            let expires_at = edge.expires_at().expect("a head");
            sleep(Duration::from_millis(expires_at - 1 - edge.now())).await;
            let before = tokio::spawn(Arc::clone(edge).ask(good));
            sleep(Duration::from_millis(1)).await;
            let expired = Arc::clone(edge).ask(good).await;
            assert_eq!(expired, Verdict::Unavailable("snapshot_expired"));
            seen.expired.fetch_add(1, Ordering::Relaxed);
            assert!(matches!(before.await, Ok(Verdict::Allowed(..))));
        });
        join_all(each).await;
    }

    /// While requests come to all edges, everything comes back: each edge recovers within its pause between
    /// attempts, and they do not ask all at once, neither before nor then. Gives how many did at most, and how long
    /// the last one took from the first new head on, of those that read over http and of those over KV alone.
    async fn recover(&mut self, good: Asked, seen: &Arc<Seen>) -> (usize, [u64; 2]) {
        let recovered = Arc::<Mutex<BTreeMap<usize, u64>>>::default();
        for edge in &self.edges {
            let (edge, recovered, seen) = (Arc::clone(edge), Arc::clone(&recovered), Arc::clone(seen));
            tokio::spawn(async move {
                // Who has recovered goes on to ask as ever, which would hide who still tries.
                loop {
                    edge.sim.pass(100, 900).await;
                    match Arc::clone(&edge).ask(good).await {
                        Verdict::Allowed(..) => break,
                        Verdict::Unavailable("snapshot_expired") => seen.expired.fetch_add(1, Ordering::Relaxed),
                        other => panic!("edge {} says {other:?}", edge.number),
                    };
                }
                lock(&recovered).insert(edge.number, edge.sim.now());
            });
        }
        sleep(Duration::from_mins(3)).await;
        assert!(lock(&recovered).is_empty(), "something passes by a head that has expired");
        self.take_asked_at();
        sleep(Duration::from_mins(1)).await;
        let trying = self.look_at_herd();

        self.sim.note(format_args!("everything answers again"));
        *lock(&self.front.away_until) = 0;
        self.kv.mend();
        let recorded = lock(&self.database).heads.len();
        self.start();
        while lock(&self.database).heads.len() == recorded {
            sleep(Duration::from_millis(10)).await;
        }
        let back_at = self.sim.now();
        self.take_asked_at();
        sleep(Duration::from_millis(RECOVERY_KV_MS)).await;
        let back = self.look_at_herd();
        let recovered = lock(&recovered).clone();
        assert_eq!(recovered.len(), self.edges.len(), "{recovered:?}, back at {back_at}");
        // Who reads both lanes comes back with the first that does.
        for lanes in [Lanes::Kv, Lanes::Http] {
            let edges = self.setting.edges.iter().enumerate().filter(|(_, (reads, _))| *reads == lanes);
            let at: Vec<u64> = edges.filter_map(|(number, _)| recovered.get(&number).copied()).collect();
            let spread = at.iter().max().zip(at.iter().min()).map_or(0, |(last, first)| last - first);
            assert!(spread > SPREAD_MS, "over {lanes:?} they all come at once: {recovered:?}");
        }
        let slowest = |is_of: fn(Lanes) -> bool| {
            let of = recovered.iter().filter(|(number, _)| is_of(self.setting.edges[**number].0));
            of.map(|(_, at)| at.saturating_sub(back_at)).max().unwrap_or(u64::MAX)
        };
        let slowest = [slowest(|lanes| lanes != Lanes::Kv), slowest(|lanes| lanes == Lanes::Kv)];
        assert!(slowest[0] <= RECOVERY_HTTP_MS && slowest[1] <= RECOVERY_KV_MS, "{slowest:?}: {recovered:?}");
        (trying.max(back), slowest)
    }

    /// When heads were asked for on each lane since this was asked last.
    fn take_asked_at(&self) -> [Vec<u64>; 2] {
        [std::mem::take(&mut *lock(&self.front.asked_at)), self.kv.take_asked_at()]
    }

    /// On neither lane have more than a few asked at once. Gives how many did at most.
    fn look_at_herd(&self) -> usize {
        let most = self.take_asked_at().map(|asked_at| {
            let at_once = |at: &u64| asked_at.iter().filter(|other| at.abs_diff(**other) < AT_ONCE_MS).count();
            let most = asked_at.iter().map(at_once).max().expect("edges go on asking");
            assert!(most <= 3, "{most} edges ask at once: {asked_at:?}");
            most
        });
        most[0].max(most[1])
    }
}

async fn compare(edge: &Arc<Edge>, known: &BTreeMap<usize, State>, seen: &Seen) {
    let now = edge.now();
    let ask = async |(secret, state): (&usize, &State)| {
        let asked = Asked { secret: &secrets()[*secret], writes: false };
        let given = Arc::clone(edge).ask(asked).await;
        assert_eq!(given, verdict(state, false, now), "edge {}, secret {secret}", edge.number);
        seen.verdicts.fetch_add(1, Ordering::Relaxed);
    };
    join_all(known.iter().map(ask)).await;
    assert!(edge.now() <= now + MOST_WAIT_MS, "somebody waits for {} ms", edge.now() - now);
}

/// One that passes for ever.
fn good(known: &BTreeMap<usize, State>) -> Asked {
    let passes = |state: &State| matches!(verdict(state, false, u64::MAX), Verdict::Allowed(..));
    let (secret, _) = known.iter().find(|(_, state)| passes(state)).expect("a key without an end");
    Asked { secret: &secrets()[*secret], writes: false }
}
