//! A publisher dies at each step that there is, one story for each: before what it does to the database or
//! to KV has its effect, and after, before it hears of it. Whoever is started then goes on from there.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use crate::host::Step;
use crate::sim::lock;
use crate::story::{Told, tell};
use crate::world::{Lanes, Setting, World};

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
/// Until objects that no head names are collected: an hour after their last head, and two more.
const COLLECTED_AFTER_MS: u64 = 190 * MINUTE_MS;
/// Of the calls that do nothing but come again and again so many are looked at.
const OF_EACH_ROUTINE: usize = 3;

/// What the publisher may do, each of which it does in this story.
const CALLS: [&str; 21] = [
    "acquire_lease",
    "bulk delete",
    "bulk put",
    "collectable",
    "forget_objects",
    "forget_outbox",
    "forget_staged",
    "get",
    "holds_lease",
    "mark_head_compared",
    "mark_head_sent",
    "mark_objects_sent",
    "object",
    "put",
    "record_head",
    "recorded_head",
    "release_lease",
    "renew_lease",
    "stage_objects",
    "unsent_objects",
    "view",
];

/// Of these the ones that change nothing.
const READS: [&str; 9] =
    ["answer", "collectable", "get", "holds_lease", "object", "recorded_head", "tree", "unsent_objects", "view"];
/// And those that come again and again.
const ROUTINE: [&str; 3] = ["answer", "renew_lease", "tree"];

fn setting() -> Setting {
    Setting {
        head_ttl: Duration::from_hours(1),
        kv_late_ms: 200,
        alone: true,
        edges: vec![(Lanes::Kv, 0), (Lanes::Http, 0), (Lanes::Both, 0)],
        host_skew_ms: 0,
        read_ms: 0,
        leaf_records: 4,
    }
}

/// Who dies, and at the how manieth step: the one that publishes first, or the one that collects.
type Death = Option<(Role, u64)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    First,
    Collector,
}

fn tell_death(death: Death) -> (Told, [Vec<Step>; 2]) {
    let steps = Mutex::default();
    let told = tell(|| World::new(0, None, |_| setting()), &async |world: &mut World| {
        *lock(&steps) = world.live_and_die(death).await;
    });
    (told, steps.into_inner().expect("it has ended"))
}

/// The steps to die at: where there is the time all, but of what is the same each time a few. Else those after
/// which something is other than before: who dies while it reads leaves what it would have left a step before.
fn worth_dying_at(steps: &[Step]) -> Vec<u64> {
    let mut seen: Vec<Step> = Vec::new();
    let mut worth = Vec::new();
    for (step, at) in steps.iter().zip(1..) {
        let (Step::Before(call) | Step::After(call)) = *step;
        let changes = matches!(step, Step::After(_)) && !READS.contains(&call);
        let often = ROUTINE.contains(&call) && seen.iter().filter(|before| *before == step).count() >= OF_EACH_ROUTINE;
        if (changes || at == 1 || crate::is_long()) && !often {
            worth.push(at);
        }
        seen.push(*step);
    }
    worth
}

#[test]
fn who_dies_at_any_step_leaves_what_another_goes_on_from() {
    let (told, [first, collector]) = tell_death(None);
    assert!(told.violation.is_none(), "{:?}\n{}", told.violation, told.lines.join("\n"));
    assert!(told.switches > 0, "no tree took another's place");
    let calls: BTreeSet<_> =
        first.iter().chain(&collector).map(|(Step::Before(call) | Step::After(call))| *call).collect();
    let missed: Vec<_> = CALLS.iter().filter(|call| !calls.contains(*call)).collect();
    assert!(missed.is_empty(), "{missed:?} of {calls:?}");

    let of = |role, steps: &[Step]| worth_dying_at(steps).into_iter().map(move |at| (role, at)).collect::<Vec<_>>();
    let deaths = [of(Role::First, &first), of(Role::Collector, &collector)].concat();
    println!("{} deaths", deaths.len());
    crate::share(deaths.len(), |at| {
        let death = deaths.get(at).copied();
        let (told, _) = tell_death(death);
        let last = told.lines.len().saturating_sub(60);
        assert!(told.violation.is_none(), "{death:?}: {:?}\n{}", told.violation, told.lines[last..].join("\n"));
        assert!(told.verdicts > 0);
    });
}

impl World {
    /// A little of everything that a publisher does, from its first head to what it collects. Gives the
    /// steps of both.
    async fn live_and_die(&mut self, death: Death) -> [Vec<Step>; 2] {
        self.create(24, None);
        self.begin(Role::First, death);
        self.pass(3 * SECOND_MS).await;
        for _ in 0..2 {
            self.disable();
            self.pass(150).await;
            self.rotate(20);
            self.pass(300).await;
        }
        self.set_realm();
        self.pass(2 * SECOND_MS).await;
        // Until the tree takes it up, and another is built, warmed and switched to.
        self.create(60, Some(1));
        self.pass(15 * SECOND_MS).await;
        self.delete();
        self.pass(200 * SECOND_MS).await;
        self.suspend(1);
        self.pass(15 * SECOND_MS).await;
        for number in self.alive() {
            self.stop(number).await;
        }
        let first = self.machines.first().map(|machine| machine.host.steps());

        tokio::time::sleep(Duration::from_millis(COLLECTED_AFTER_MS)).await;
        self.begin(Role::Collector, death);
        let collector = self.machines.len() - 1;
        self.pass(2 * SECOND_MS).await;
        self.enable();
        self.pass(11 * MINUTE_MS).await;
        self.come_to_rest().await;
        let collector = self.machines.get(collector).map(|machine| machine.host.steps());
        [first.unwrap_or_default(), collector.unwrap_or_default()]
    }

    fn begin(&mut self, role: Role, death: Death) {
        self.start();
        if let (Some((_, at)), Some(machine)) = (death.filter(|(dying, _)| *dying == role), self.machines.last()) {
            machine.host.die_in(at);
        }
    }

    /// Time passes, in which edges are asked, and somebody else is started where nobody publishes.
    async fn pass(&mut self, ms: u64) {
        let until = self.sim.now() + ms;
        while self.sim.now() < until {
            if self.alive().is_empty() {
                self.start();
            }
            self.ask(3);
            self.wait((ms / 10).clamp(50, 20 * SECOND_MS)).await;
            self.look_at_publishers();
        }
    }
}
