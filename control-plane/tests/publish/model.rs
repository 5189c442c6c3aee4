//! Thousands of operations, interleaved, against a model: whatever is done, by how many at once, with
//! the publisher stopped and started in between and time passing, the snapshot says of every secret
//! that there ever was what the model says.

mod operation;
mod perform;
mod place;
mod random;
mod truth;

use std::collections::VecDeque;

use futures_util::future::join_all;
use keyward_control_plane::domain::member::Role;
use keyward_control_plane::publish::PublisherHandle;
use keyward_shared::policy::Access;
use operation::{Granted, NewKey, Op};
use perform::{Outcome, perform};
use proptest::num::usize::BinarySearch;
use proptest::prelude::*;
use proptest::strategy::NewTree;
use proptest::test_runner::TestRunner;
use random::ops;
use truth::{Known, Truth};

use super::house::{House, START};
use super::reader::Reader;
use super::{on_every, publisher};

/// Operations in one deployment: 10,000 in the usual two cases with two deployments each.
const OPERATIONS: usize = 2_500;
/// One case for so many of what other tests of this kind are run with, 256 where nobody asks for more.
const SHARE: u32 = 128;
/// As many cases as take ten minutes, whatever is asked for.
const MOST_CASES: u32 = 32;
/// Operations at once, most.
const AT_ONCE: usize = 4;

/// What happens after an operation.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// The next operation, at the same time.
    Along,
    /// The next operation, when it is done.
    Next,
    /// Time passes.
    Pass(u32),
    /// The publisher is stopped and another takes over.
    Restart,
    /// What is published is compared.
    Publish,
}

fn steps() -> impl Strategy<Value = Vec<(Op, Then)>> {
    let then = prop_oneof![
        600 => Just(Then::Along),
        360 => Just(Then::Next),
        25 => prop_oneof![1..200_u32, 1..3_000_u32].prop_map(Then::Pass),
        5 => Just(Then::Restart),
        10 => Just(Then::Publish),
    ];
    let all = prop::collection::vec((ops(), then), OPERATIONS);
    (HowMany, all).prop_map(|(most, mut steps)| {
        steps.truncate(most);
        steps
    })
}

/// All of the operations; only the first of them while a failure is made smaller.
#[derive(Debug)]
struct HowMany;

impl Strategy for HowMany {
    type Tree = BinarySearch;
    type Value = usize;

    fn new_tree(&self, _: &mut TestRunner) -> NewTree<Self> {
        Ok(BinarySearch::new(OPERATIONS))
    }
}

fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = (usual.cases / SHARE).clamp(1, MOST_CASES);
    ProptestConfig { cases, max_shrink_time: 300_000, ..usual }
}

#[test]
fn the_published_snapshot_is_equal_to_the_model_whatever_is_done_and_in_which_order() {
    // Most of it is waiting for disks and heads.
    on_every(config(), &(steps(), steps()), |(one, other)| async {
        tokio::join!(play(one), play(other));
    });
}

async fn play(steps: Vec<(Op, Then)>) {
    let mut run = Run::begin().await;
    for (op, then) in steps {
        run.step(op, then).await;
    }
    run.end().await;
}

struct Run {
    house: House,
    truth: Truth,
    /// None while one takes over from another.
    publishing: Option<PublisherHandle>,
    reader: Reader,
    /// Operations that are done at once.
    waiting: Vec<Op>,
    restarts: u32,
}

impl Run {
    /// Three workspaces with a key each, the first two of them with two members more; two APIs.
    async fn begin() -> Self {
        let house = House::empty().await;
        let truth = Truth::at(seconds(&house));
        let publishing = Some(publisher(&house, "0").await);
        let mut run = Self { house, truth, publishing, reader: Reader::new(), waiting: Vec::new(), restarts: 0 };
        let new = NewKey {
            name: 0,
            member: None,
            access: Access::ReadOnly,
            apis: Granted::All,
            expires: None,
            brought: None,
            external: None,
        };
        let add = |workspace, role| Op::CreateMember { workspace, role };
        let members = (0..2).flat_map(|workspace| [add(workspace, Role::Admin), add(workspace, Role::Owner)]);
        let keys = (0..3).map(|workspace| Op::CreateKey(workspace, new.clone()));
        let apis = (0..2).map(|api| Op::PutApi { api, path: api });
        run.waiting = (0..3).map(|slug| Op::CreateWorkspace { slug }).collect();
        run.act().await;
        run.waiting = members.chain(keys).chain(apis).collect();
        run.act().await;
        run
    }

    async fn step(&mut self, op: Op, then: Then) {
        self.waiting.push(op.placed(&self.truth));
        if matches!(then, Then::Along) && self.waiting.len() < AT_ONCE {
            return;
        }
        self.act().await;
        match then {
            Then::Along | Then::Next => {}
            Then::Pass(passed) => {
                self.house.pass(passed);
                self.truth.now = seconds(&self.house);
            }
            Then::Restart => {
                self.restarts += 1;
                self.stop().await;
                self.publishing = Some(publisher(&self.house, &self.restarts.to_string()).await);
            }
            Then::Publish => self.compare().await,
        }
    }

    async fn end(mut self) {
        self.act().await;
        self.compare().await;
        self.stop().await;
    }

    async fn stop(&mut self) {
        if let Some(publishing) = self.publishing.take() {
            publishing.stop().await;
        }
    }

    /// Does at once what waits, and lets the model do the same in the order of the generations. What was
    /// refused must be so at some moment between the first and the last.
    async fn act(&mut self) {
        let ops = core::mem::take(&mut self.waiting);
        let outcomes: Vec<Outcome> = join_all(ops.iter().map(|op| perform(op, &self.truth, &self.house))).await;
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for (op, outcome) in ops.iter().zip(outcomes) {
            match outcome {
                Ok((generation, told)) => done.push((generation, op, told)),
                Err(code) => refused.push((op, code)),
            }
        }
        done.sort_unstable_by_key(|(generation, ..)| *generation);
        let mut done = VecDeque::from(done);
        loop {
            refused.retain(|(op, code)| self.truth.refusal(op) != Some(*code));
            let Some((_, op, told)) = done.pop_front() else { break };
            assert_eq!(self.truth.refusal(op), None, "{op:?} was not refused, among {ops:?}");
            self.truth.apply(op, &told);
        }
        assert!(refused.is_empty(), "{refused:?} was refused, among {ops:?}");
    }

    /// Follows the publisher until all of it is published, then compares every secret there ever was.
    async fn compare(&mut self) {
        let source = self.publishing.as_ref().expect("a publisher").source();
        self.reader.follow(&source, self.house.generation().await).await;
        for (secret, known) in self.truth.snapshot() {
            let published = self.reader.find(&secret, &source).await;
            match known {
                Known::Exactly(record, policy) => assert_eq!(published, Some((record, policy))),
                Known::Nothing => assert_eq!(published, None),
                Known::Over(record, policy) => {
                    assert!(published.is_none() || published == Some((record, policy)), "{published:?}");
                }
            }
        }
        let mut routes = self.reader.settings().routes.clone();
        let mut expected = self.truth.routes();
        routes.sort_by(|one, other| one.path_prefix.cmp(&other.path_prefix));
        expected.sort_by(|one, other| one.path_prefix.cmp(&other.path_prefix));
        assert_eq!(routes, expected);
    }
}

fn seconds(house: &House) -> u32 {
    assert_eq!(START.as_millis() % 1000, 0, "a model in seconds");
    u32::try_from(house.now().as_millis() / 1000).expect("before 2106")
}
