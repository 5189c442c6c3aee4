//! How one story goes: what happens, in which order, and when all must be as it should again.

use std::sync::Arc;
use std::time::Duration;

use keyward_control_plane::publish::TARGET_RECORDS;
use keyward_shared::policy::Access;
use tokio::time::sleep;

use crate::bugs::Bug;
use crate::isolate::Asked;
use crate::judge::{HTTP_BOUND_MS, KV_BOUND_MS};
use crate::kv::{ReadFault, WriteFault};
use crate::sim::{BOTH, Invariant, Lane, Sim, Violation, lock};
use crate::truth::secrets;
use crate::world::{Lanes, Setting, World};

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Things that happen in one story.
const STEPS: u64 = 90;
/// Between heads that say nothing new: for so long a superseded write may count.
pub(crate) const HEARTBEAT_MS: u64 = 5 * MINUTE_MS;
/// After so long without a disturbance every bound counts.
const CALM_MS: u64 = 4 * MINUTE_MS;

/// What came of a story.
pub(crate) struct Told {
    pub(crate) violation: Option<Violation>,
    pub(crate) lines: Vec<String>,
    /// How many verdicts were compared with the truth.
    pub(crate) verdicts: u64,
    /// Of these the ones that had to know a change that none before had to know: by KV, and over http.
    pub(crate) bound: [u64; 2],
    /// How many secrets were known to an edge before and after another tree took over.
    pub(crate) switches: u64,
}

/// Tells a story on a clock of its own, which jumps to whatever is next.
pub(crate) fn tell(world: impl FnOnce() -> World, live: &impl AsyncFn(&mut World)) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut world = world();
        live(&mut world).await;
        let sim = &world.sim;
        let (verdicts, bound, switches) = (sim.verdicts(), sim.bound(), sim.switches());
        Told { violation: sim.violation(), lines: sim.lines(), verdicts, bound, switches }
    })
}

/// Tells the story of a seed.
pub(crate) fn tell_seed(seed: u64, bug: Option<Bug>) -> Told {
    tell(|| World::new(seed, bug, setting), &World::live)
}

fn setting(sim: &Sim) -> Setting {
    let edge = |_: usize| {
        let lanes = [Lanes::Kv, Lanes::Http, Lanes::Both][sim.index(3)];
        let skew_ms = match sim.below(8) {
            0 => -6 * MINUTE_MS.cast_signed(),
            1..4 => sim.below(4 * MINUTE_MS).cast_signed() - 2 * MINUTE_MS.cast_signed(),
            _ => 0,
        };
        (lanes, skew_ms)
    };
    Setting {
        head_ttl: if sim.once_in(3) { Duration::from_hours(1) } else { Duration::from_hours(24) },
        kv_late_ms: [200, 20_000, 60_000][sim.index(3)],
        alone: sim.once_in(2),
        edges: (0..3).map(edge).collect(),
        host_skew_ms: if sim.once_in(2) { 2 * MINUTE_MS } else { 0 },
        read_ms: [0, 0, 4_000][sim.index(3)],
        // Trees of one leaf, of hundreds under nodes, and what lies between.
        leaf_records: [1, 4, 16, TARGET_RECORDS, TARGET_RECORDS][sim.index(5)],
    }
}

impl World {
    async fn live(&mut self) {
        self.create(24, None);
        if self.sim.once_in(4) {
            // Of these more are changed at once than heads carry.
            self.create(480, Some(2));
        }
        self.start();
        self.sim.disturb_until(self.sim.now(), BOTH);
        self.wait(SECOND_MS).await;
        for _ in 0..STEPS {
            if self.sim.violation().is_some() {
                return;
            }
            if self.sim.once_in(9) {
                self.go_wrong().await;
            } else if self.database_answers() && self.keys.of(2) > 448 && self.sim.once_in(12) {
                self.overtake().await;
            } else if self.database_answers() {
                self.change_something();
            }
            self.ask(2);
            self.go_on().await;
            self.look_at_publishers();
        }
        self.come_to_rest().await;
    }

    /// Time passes, mostly little of it. Where nobody publishes somebody starts to, sooner or later.
    async fn go_on(&mut self) {
        if self.alive().is_empty() && self.sim.once_in(4) {
            self.start();
        }
        let most = match self.sim.below(40) {
            0 => 10 * MINUTE_MS,
            1..6 => 20 * SECOND_MS,
            _ => 600,
        };
        self.wait(self.sim.between(10, most)).await;
    }

    /// So many milliseconds pass. Whoever died meanwhile is noticed before anybody asks an edge.
    pub(crate) async fn wait(&self, ms: u64) {
        sleep(Duration::from_millis(ms)).await;
        if !self.is_served() {
            self.sim.disturb_until(self.sim.now(), BOTH);
        }
    }

    /// Edges are asked about some secrets.
    pub(crate) fn ask(&self, times: u64) {
        for _ in 0..times {
            // Mostly about such as were in use from the first, which change most.
            let most = if self.sim.once_in(4) { self.keys.seen() } else { self.keys.seen().min(60) };
            let secret = secrets().get(self.sim.index(most));
            let (Some(secret), Some(edge)) = (secret, self.sim.one_of(&self.edges)) else { continue };
            let asked = Asked { secret, writes: self.sim.once_in(3) };
            tokio::spawn(Arc::clone(edge).ask(asked));
        }
    }

    fn change_something(&mut self) {
        match self.sim.below(15) {
            0 => self.create(1, None),
            1 | 2 => self.disable(),
            3 => self.enable(),
            4 => self.rotate(u32::try_from(self.sim.below(60)).unwrap_or(0)),
            5 => self.finish(),
            6 => self.pause(self.sim.once_in(2)),
            7 => {
                let seconds = u32::try_from(self.sim.below(40)).ok();
                self.expire(seconds.filter(|_| !self.sim.once_in(3)));
            }
            8 => self.set_access(if self.sim.once_in(2) { Access::ReadOnly } else { Access::ReadWrite }),
            9 if self.sim.once_in(4) => self.set_realm(),
            10 if self.sim.once_in(3) => self.suspend(self.sim.index(3)),
            // The tree grows, and shrinks.
            11 if self.sim.once_in(5) => self.create(120, Some(2)),
            12 if self.sim.once_in(8) => self.delete_all(2),
            13 => self.delete(),
            _ => self.log(),
        }
    }

    async fn go_wrong(&mut self) {
        let now = self.sim.now();
        let lasts = self.sim.between(200, if self.sim.once_in(3) { 90 * SECOND_MS } else { 5 * SECOND_MS });
        let until = now + lasts;
        match self.sim.below(11) {
            0 | 1 => {
                let faults = [
                    WriteFault::Refused,
                    WriteFault::Stalled,
                    WriteFault::AnswerLost,
                    WriteFault::Partly,
                    WriteFault::Partly,
                    WriteFault::Lost,
                ];
                let fault = faults[self.sim.index(faults.len())];
                self.sim.note(format_args!("KV's writes: {fault:?} for {lasts} ms"));
                // A head that was lost is there with the next heartbeat.
                let late = if fault == WriteFault::Lost { HEARTBEAT_MS } else { 0 };
                self.sim.disturb_until(until + late, &[Lane::Kv]);
                self.kv.fail_writes(fault, until);
                if fault == WriteFault::Partly && self.sim.once_in(2) {
                    self.wait(self.sim.between(100, 3_000)).await;
                    self.kill();
                }
            }
            2 => {
                let faults = [ReadFault::Away, ReadFault::Slow, ReadFault::Old, ReadFault::Cut, ReadFault::Flipped];
                let (fault, reader) = (faults[self.sim.index(faults.len())], self.sim.index(self.edges.len()));
                self.sim.note(format_args!("KV's reads at edge {reader}: {fault:?} for {lasts} ms"));
                // What was cut or older lies in the cache as it was.
                self.sim.disturb_until(until + 30 * SECOND_MS, BOTH);
                self.kv.fail_reads(reader, fault, until);
            }
            3 => {
                self.sim.note(format_args!("http is away for {lasts} ms"));
                self.sim.disturb_until(until, BOTH);
                *lock(&self.front.away_until) = until;
            }
            4 if !self.setting.alone && self.sim.once_in(2) => self.cut_off_one().await,
            4 => {
                self.sim.note(format_args!("the database is away for {lasts} ms"));
                self.sim.disturb_until(until, BOTH);
                *lock(&self.database_away_until) = until;
            }
            5 => self.kill(),
            6 => {
                if let Some(machine) = self.sim.one_of(&self.alive()).and_then(|number| self.machines.get(*number)) {
                    machine.host.die_in(self.sim.between(1, 40));
                }
            }
            7 => {
                if let Some(machine) = self.sim.one_of(&self.alive()).and_then(|number| self.machines.get(*number)) {
                    machine.host.halt(lasts);
                    // What it was about to write it still writes, and that may count until the next heartbeat.
                    self.sim.disturb_until(until, BOTH);
                    self.sim.disturb_until(until + HEARTBEAT_MS, &[Lane::Kv]);
                }
            }
            8 => {
                if let Some(edge) = self.sim.one_of(&self.edges) {
                    edge.evict();
                }
            }
            9 if !self.setting.alone && self.alive().len() < 2 => self.start(),
            9 => {
                if let Some(number) = self.sim.one_of(&self.alive()) {
                    self.stop(*number).await;
                }
            }
            _ => self.fall_silent().await,
        }
    }

    fn kill(&self) {
        if let Some(machine) = self.sim.one_of(&self.alive()).and_then(|number| self.machines.get(*number)) {
            machine.host.die();
        }
    }

    /// Whoever publishes cannot reach the database, and another can. The first loses the lease, and must tell by
    /// itself that it may have: once the other publishes, every bound counts again.
    pub(crate) async fn cut_off_one(&mut self) {
        while self.alive().len() < 2 {
            self.start();
            self.wait(SECOND_MS).await;
        }
        let holder = self.machines.iter().find(|machine| lock(&self.database).holds_lease(&machine.host.name));
        let Some(host) = holder.map(|machine| Arc::clone(&machine.host)) else { return };
        let until = self.sim.now() + self.sim.between(MINUTE_MS, 4 * MINUTE_MS);
        self.sim.note(format_args!("{} is cut off from the database", host.name));
        host.cut_off(until);
        self.sim.disturb_until(self.sim.now(), BOTH);
        while self.sim.now() < until && self.sim.violation().is_none() {
            self.change_something();
            self.wait(self.sim.between(200, 6_000)).await;
            self.ask_of_changed(6);
        }
    }

    /// More changes at once than heads carry. While a tree takes them up, what narrows something overtakes them.
    async fn overtake(&mut self) {
        self.suspend(2);
        for _ in 0..6 {
            self.disable();
            for _ in 0..4 {
                self.ask_of_changed(3);
                self.wait(self.sim.between(50, 400)).await;
            }
        }
    }

    /// For hours nobody is asked anything, or nothing answers.
    async fn fall_silent(&mut self) {
        let lasts = self.sim.between(HOUR_MS / 2, 4 * HOUR_MS);
        if self.sim.once_in(2) {
            let until = self.sim.now() + lasts;
            self.sim.note(format_args!("nothing answers for {lasts} ms"));
            self.sim.disturb_until(until, BOTH);
            *lock(&self.front.away_until) = until;
            self.kv.fail_writes(WriteFault::Refused, until);
            (0..self.edges.len()).for_each(|reader| self.kv.fail_reads(reader, ReadFault::Away, until));
        }
        for _ in 0..4 {
            self.wait(lasts / 4).await;
            self.ask(3);
        }
    }

    /// Nothing goes wrong any more: then everything that was acknowledged counts everywhere.
    pub(crate) async fn come_to_rest(&mut self) {
        self.kv.mend();
        *lock(&self.front.away_until) = 0;
        *lock(&self.database_away_until) = 0;
        for machine in &self.machines {
            machine.host.die_in(u64::MAX);
            machine.host.cut_off(0);
        }
        if self.alive().is_empty() {
            self.start();
        }
        self.wait(MINUTE_MS).await;
        let calm = self.sim.disturbed_until(Lane::Kv).max(self.sim.now()) - self.sim.now() + CALM_MS;
        self.sim.note(format_args!("nothing goes wrong any more"));
        self.ask(9);
        sleep(Duration::from_millis(calm)).await;
        self.note_publishers().await;
        self.look_at_publishers();
        self.look_at_kv();
        self.ask(30);
        sleep(Duration::from_secs(40)).await;
        self.change_at_rest().await;
        // One of them knows nothing but what it can read now.
        if let Some(edge) = self.sim.one_of(&self.edges) {
            edge.evict();
        }
        self.ask(30);
        sleep(Duration::from_secs(5)).await;
    }

    /// What changes now counts everywhere within each lane's bound.
    async fn change_at_rest(&mut self) {
        for _ in 0..3 {
            self.disable();
            self.rotate(30);
            self.set_access(Access::ReadOnly);
            self.enable();
            sleep(Duration::from_millis(HTTP_BOUND_MS)).await;
            self.ask_of_changed(12);
            sleep(Duration::from_secs(2)).await;
        }
        sleep(Duration::from_millis(KV_BOUND_MS - HTTP_BOUND_MS)).await;
        self.ask_of_changed(12);
        sleep(Duration::from_secs(2)).await;
        self.look_at_kv();
    }

    /// Every edge is asked about the secrets that changed last.
    fn ask_of_changed(&self, count: usize) {
        let changed = lock(&self.database).history.newest(count);
        for edge in &self.edges {
            for secret in secrets().iter().filter(|secret| changed.contains(&secret.fingerprint)) {
                tokio::spawn(Arc::clone(edge).ask(Asked { secret, writes: self.sim.once_in(3) }));
            }
        }
    }

    /// No publisher stops for good: the database is the only one there ever was.
    pub(crate) fn look_at_publishers(&self) {
        for backend in lock(&self.front.backends).iter().filter(|backend| !backend.host.is_dead()) {
            if let Some(why) = backend.source.halted() {
                self.sim.violate(Invariant::Record, format_args!("{} has stopped: {why}", backend.host.name));
            }
        }
    }

    /// Whatever came late, KV has the newest head, with all that was committed.
    pub(crate) fn look_at_kv(&self) {
        let database = lock(&self.database);
        let (committed, epoch) = (database.committed.generation, database.epoch);
        let order = self.kv.head().map(|head| head.order());
        if order.is_none_or(|order| order.epoch != epoch || order.generation != committed) {
            let words = format_args!("KV has {order:?}, in epoch {epoch} with {committed} committed");
            self.sim.violate(Invariant::Bound, words);
        }
    }

    /// Tells how publishing stands, for whoever asks why.
    async fn note_publishers(&self) {
        let backends = lock(&self.front.backends).clone();
        for backend in backends.iter().filter(|backend| !backend.host.is_dead()) {
            let (head, halted) = (backend.source.head().await.is_some(), backend.source.halted());
            let last_error = backend.source.status().await.ok().and_then(|status| status.last_error);
            let name = &backend.host.name;
            self.sim.note(format_args!("{name} has a head: {head}; halted: {halted:?}; last error: {last_error:?}"));
        }
    }
}
