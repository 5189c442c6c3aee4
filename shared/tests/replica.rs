//! Replicas against a plain map: whatever subset of the heads a replica sees, in whatever order,
//! and whenever its objects come, it answers as of the head it holds, never as of an older one.

use keyward_shared::fingerprint::Fingerprint;
use keyward_shared::record::Record;
use keyward_shared::settings::Settings;
use keyward_shared::snapshot::{HeadRefused, Lookup, Need, Replica, ReplicaOptions, Shape};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::fixtures::{DEPLOYMENT, NOW_MS, pepper};
use crate::model::{Change, Publish, Publisher, State, Truth, fingerprints, widens};

/// Bytes that the replicas' objects may take: all, a few, and none but the path in use.
const CACHES: [usize; 3] = [usize::MAX, 3_000, 0];

/// More loads than any path has objects.
const MAX_LOADS: usize = 8;

#[derive(Debug, Clone)]
enum Step {
    Change(usize, Change),
    Publish(Publish),
    Reshape(usize),
    Prepare(usize),
    EndPreparing {
        switch: bool,
    },
    /// A replica loads some objects of the next tree, or begins to.
    Warm(usize, usize),
    BeginToWarm(usize, usize),
    Restart {
        restored: bool,
    },
    Wait(u64),
    /// A replica sees some head, perhaps an old one.
    Adopt(usize, Index),
    AdoptNewest(usize),
    /// A request: loads what it needs and must get the truth.
    Judge(usize, usize),
    /// A request that the policy might refuse.
    JudgeExactly(usize, usize),
    JudgeAll(usize),
    /// A request that begins to load and is answered much later.
    Ask(usize, usize),
    Answer(Index, Bytes),
}

/// What comes back for a name.
#[derive(Debug, Clone)]
enum Bytes {
    Right,
    Flipped(Index),
    Cut(Index),
    OfAnother(Index),
}

fn shape(number: usize) -> Shape {
    let shapes: [&[u8]; 6] = [&[], &[2], &[2, 1], &[1, 1, 1], &[3], &[2, 2]];
    Shape::new(shapes[number % shapes.len()].to_vec()).expect("a shape")
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let replica = || 0..CACHES.len();
    // Some are changed again and again, so that histories of one fingerprint get long.
    let target = || prop_oneof![3 => 0..3_usize, 2 => 0..fingerprints().len()];
    let change = prop_oneof![
        4 => Just(Change::Create),
        2 => (0..6_u32).prop_map(Change::CreateFor),
        1 => Just(Change::Delete),
        2 => Just(Change::Disable),
        2 => Just(Change::Enable),
        2 => Just(Change::Pause),
        2 => Just(Change::Resume),
        2 => (0..4_u32).prop_map(Change::ExpireIn),
        2 => Just(Change::ExpireNever),
        2 => any::<u8>().prop_map(Change::SetPolicy),
        2 => (0..6_u32).prop_map(Change::Rotate),
        1 => Just(Change::Suspend),
        1 => Just(Change::Unsuspend),
        1 => Just(Change::Rename),
    ];
    let publish = (
        prop_oneof![2 => Just(None), 1 => (1..5_u64).prop_map(Some), 2 => Just(Some(99))],
        prop_oneof![3 => Just(0), 1 => 1..4_u64],
        prop_oneof![1 => Just(0), 1 => 1..5_usize],
    )
        .prop_map(|(tree, lag, drop)| Step::Publish(Publish { tree, lag, drop }));
    let bytes = prop_oneof![
        4 => Just(Bytes::Right),
        1 => any::<Index>().prop_map(Bytes::Flipped),
        1 => any::<Index>().prop_map(Bytes::Cut),
        1 => any::<Index>().prop_map(Bytes::OfAnother),
    ];
    let step = prop_oneof![
        12 => (target(), change).prop_map(|(target, change)| Step::Change(target, change)),
        7 => publish,
        1 => (0..6_usize).prop_map(Step::Reshape),
        2 => (0..6_usize).prop_map(Step::Prepare),
        1 => prop_oneof![3 => Just(true), 1 => Just(false)].prop_map(|switch| Step::EndPreparing { switch }),
        3 => (replica(), 1..4_usize).prop_map(|(replica, most)| Step::Warm(replica, most)),
        1 => (replica(), 1..4_usize).prop_map(|(replica, most)| Step::BeginToWarm(replica, most)),
        1 => any::<bool>().prop_map(|restored| Step::Restart { restored }),
        2 => prop_oneof![Just(1), 1..4_000_u64].prop_map(Step::Wait),
        3 => (replica(), any::<Index>()).prop_map(|(replica, head)| Step::Adopt(replica, head)),
        6 => replica().prop_map(Step::AdoptNewest),
        4 => (replica(), target()).prop_map(|(replica, target)| Step::Judge(replica, target)),
        2 => (replica(), target()).prop_map(|(replica, target)| Step::JudgeExactly(replica, target)),
        5 => replica().prop_map(Step::JudgeAll),
        4 => (replica(), target()).prop_map(|(replica, target)| Step::Ask(replica, target)),
        3 => (any::<Index>(), bytes).prop_map(|(pending, bytes)| Step::Answer(pending, bytes)),
    ];
    vec(step, 1..150)
}

/// Long histories of two fingerprints, back and forth in one way, at the one replica that lets
/// nothing go: what leaves `recent` while a leaf is held.
fn back_and_forth() -> impl Strategy<Value = Vec<Step>> {
    let ways = [
        (Change::ExpireIn(0), Change::ExpireNever),
        (Change::ExpireIn(1), Change::ExpireIn(9)),
        (Change::Disable, Change::Enable),
        (Change::Pause, Change::Resume),
        (Change::Suspend, Change::Unsuspend),
        (Change::Delete, Change::Create),
        (Change::SetPolicy(0), Change::SetPolicy(1)),
    ];
    select(ways.to_vec()).prop_flat_map(|(back, forth)| {
        let change = prop_oneof![1 => Just(Change::Create), 2 => Just(back), 2 => Just(forth)];
        let publish = (prop_oneof![Just(None), Just(Some(99))], 0..3_usize)
            .prop_map(|(tree, drop)| Step::Publish(Publish { tree, lag: 0, drop }));
        let step = prop_oneof![
            4 => (0..2_usize, change).prop_map(|(target, change)| Step::Change(target, change)),
            4 => publish,
            1 => (500..2_000_u64).prop_map(Step::Wait),
            3 => Just(Step::AdoptNewest(0)),
            2 => (0..2_usize).prop_map(|target| Step::Judge(0, target)),
            1 => (0..2_usize).prop_map(|target| Step::JudgeExactly(0, target)),
        ];
        vec(step, 1..150)
    })
}

/// A replica and which publication it holds.
struct Edge {
    replica: Replica,
    holds: Option<usize>,
}

struct World {
    truth: Truth,
    publisher: Publisher,
    edges: Vec<Edge>,
    pending: Vec<(usize, Need)>,
    now_ms: u64,
}

impl World {
    fn new() -> Self {
        let edge = |cache_bytes| Edge {
            replica: Replica::new(ReplicaOptions {
                deployment: DEPLOYMENT.to_owned(),
                peppers: vec![pepper()],
                min_epoch: 0,
                cache_bytes,
            }),
            holds: None,
        };
        Self {
            truth: Truth::default(),
            publisher: Publisher::new(shape(2)),
            edges: CACHES.map(edge).into(),
            pending: Vec::new(),
            now_ms: NOW_MS,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Change(target, change) => self.truth.change(target, change, self.now_ms),
            Step::Publish(how) => self.publisher.publish(&self.truth, how),
            Step::Reshape(number) => self.publisher.reshape(&self.truth, shape(number)),
            Step::Prepare(number) => self.publisher.prepare(&self.truth, shape(number)),
            Step::EndPreparing { switch } => self.publisher.end_preparing(&self.truth, switch),
            Step::Warm(edge, most) => self.warm(edge, most),
            Step::BeginToWarm(edge, most) => {
                let needs = self.edges[edge].replica.to_warm(most);
                self.pending.extend(needs.into_iter().map(|need| (edge, need)));
            }
            Step::Restart { restored } => self.publisher.restart(&self.truth, restored),
            Step::Wait(ms) => self.now_ms += ms,
            Step::Adopt(edge, head) => {
                self.adopt(edge, head.index(self.publisher.published.len()));
            }
            Step::AdoptNewest(edge) => self.adopt(edge, self.publisher.published.len() - 1),
            Step::Judge(edge, target) => self.judge(edge, &fingerprints()[target]),
            Step::JudgeExactly(edge, target) => self.judge_exactly(edge, &fingerprints()[target]),
            Step::JudgeAll(edge) => self.judge_all(edge),
            Step::Ask(edge, target) => {
                let fingerprint = fingerprints()[target];
                let lookup = self.edges[edge].replica.lookup(&fingerprint, self.now_ms);
                if let Lookup::Need(need) = lookup {
                    self.pending.push((edge, need));
                }
            }
            Step::Answer(pending, bytes) => self.answer(pending, &bytes),
        }
    }

    fn adopt(&mut self, edge: usize, publication: usize) {
        let Edge { replica, holds } = &mut self.edges[edge];
        let head = self.publisher.published[publication].head.clone();
        let adopted = replica.adopt(head, Settings::default(), self.now_ms);
        // The publications are in order, so a later one is a newer one.
        let expected = match *holds {
            Some(held) if publication < held => Err(HeadRefused::Older),
            Some(held) => Ok(publication > held),
            None => Ok(true),
        };
        assert_eq!(adopted, expected);
        *holds = Some(publication).max(*holds);
    }

    fn warm(&mut self, edge: usize, most: usize) {
        let replica = &mut self.edges[edge].replica;
        let needs = replica.to_warm(most);
        assert!(needs.len() <= most);
        for need in needs {
            replica.insert(&need, self.publisher.store[&need.name].clone()).expect("the right bytes");
        }
    }

    fn answer(&mut self, pending: Index, bytes: &Bytes) {
        if self.pending.is_empty() {
            return;
        }
        let (edge, need) = self.pending.swap_remove(pending.index(self.pending.len()));
        let store = &self.publisher.store;
        let right = store[&need.name].clone();
        let came = match bytes {
            Bytes::Right => right.clone(),
            Bytes::Flipped(at) => {
                let mut flipped = right.clone();
                flipped[at.index(right.len())] ^= 1;
                flipped
            }
            Bytes::Cut(at) => right[..at.index(right.len())].to_vec(),
            Bytes::OfAnother(other) => {
                let other = store.values().nth(other.index(store.len()));
                other.expect("within the store").clone()
            }
        };
        let is_right = came == right;
        let taken = self.edges[edge].replica.insert(&need, came);
        assert_eq!(taken.is_ok(), is_right, "{bytes:?}");
    }

    /// Asks, loads, and asks again until there is a verdict, which must be the truth's.
    fn judge(&mut self, edge: usize, fingerprint: &Fingerprint) {
        let now_ms = self.now_ms;
        if let Some((got, expected)) = self.resolve(edge, fingerprint, |replica| replica.lookup(fingerprint, now_ms)) {
            agree(&got, &expected, now_ms);
            if allows(&got, now_ms) {
                self.edges[edge].replica.promote(fingerprint);
            }
        }
    }

    /// As [`Self::judge`], for who is going to refuse: it must be exactly the truth.
    fn judge_exactly(&mut self, edge: usize, fingerprint: &Fingerprint) {
        if let Some((got, expected)) = self.resolve(edge, fingerprint, |replica| replica.lookup_exact(fingerprint)) {
            assert_eq!(got, expected);
        }
    }

    /// What the replica says once it has all it needs, and what the truth of its head says.
    fn resolve(
        &mut self,
        edge: usize,
        fingerprint: &Fingerprint,
        ask: impl for<'a> Fn(&'a mut Replica) -> Lookup<'a>,
    ) -> Option<(State, State)> {
        let Edge { replica, holds } = &mut self.edges[edge];
        let Some(held) = *holds else {
            assert_eq!(ask(replica), Lookup::NoHead);
            return None;
        };
        for _ in 0..MAX_LOADS {
            let got = match ask(replica) {
                Lookup::NoHead => panic!("there is a head"),
                Lookup::Need(need) => {
                    let bytes = self.publisher.store[&need.name].clone();
                    replica.insert(&need, bytes).expect("the right bytes");
                    continue;
                }
                Lookup::Absent => None,
                Lookup::Found(record, policy) => Some((record, policy.to_policy())),
            };
            let expected = self.publisher.published[held].expected.get(fingerprint).cloned();
            return Some((got, expected));
        }
        panic!("no verdict after {MAX_LOADS} loads");
    }

    fn judge_all(&mut self, edge: usize) {
        for fingerprint in fingerprints() {
            self.judge(edge, &fingerprint);
        }
    }
}

/// Told a second time, so that a flag that the replica forgets is not forgotten here too.
fn allows(state: &State, now_ms: u64) -> bool {
    state.as_ref().is_some_and(|(record, _)| {
        let flagged = record.disabled || record.paused || record.suspended;
        let deadline = record.deadline.seconds();
        !flagged && deadline.is_none_or(|seconds| now_ms < u64::from(seconds) * 1000)
    })
}

/// A refusal is exactly the truth's. An allow is the truth's but for what was widened since: the leaf
/// may still tell a nearer deadline, which holds as well, or a narrower policy.
fn agree(got: &State, expected: &State, now_ms: u64) {
    match (got, expected) {
        (Some((record, policy)), Some((true_record, true_policy))) if allows(got, now_ms) => {
            let widened = Record { deadline: true_record.deadline, ..*record };
            assert_eq!(widened, *true_record, "another state at {now_ms}");
            assert!(record.deadline.to_u32() <= true_record.deadline.to_u32(), "a deadline that was shortened");
            assert!(widens(policy, true_policy), "a policy that was narrowed");
        }
        _ => assert_eq!(got, expected, "at {now_ms}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(500)))]

    #[test]
    fn a_replica_answers_as_of_the_head_it_holds(steps in prop_oneof![2 => steps().boxed(), 1 => back_and_forth().boxed()]) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        // Whatever was held before, the newest head counts once it is adopted.
        world.take(Step::Publish(Publish { tree: None, lag: 0, drop: 0 }));
        for edge in 0..CACHES.len() {
            world.judge_all(edge);
            world.take(Step::AdoptNewest(edge));
            world.judge_all(edge);
            world.now_ms += 1_000;
            world.judge_all(edge);
        }
    }
}
