//! A machine that a control plane runs on: its clock is off, it halts, and it dies between any two things
//! that it does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyward_control_plane::clock::Clock;
use keyward_control_plane::domain::time::UnixMillis;
use tokio::time::{Instant, sleep_until};

use crate::sim::{BOTH, Sim, lock};

/// Something that a machine does to what lies outside of it, before its effect or after, and before the
/// machine hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Before(&'static str),
    After(&'static str),
}

/// A machine.
pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) name: String,
    pub(crate) sim: Arc<Sim>,
    skew_ms: i64,
    fate: Mutex<Fate>,
}

#[derive(Default)]
struct Fate {
    dead: bool,
    /// It dies at the so-manieth thing that it does from now on.
    dies_in: Option<u64>,
    /// All that it did.
    steps: Vec<Step>,
    halted_until: Option<Instant>,
    /// Until then it cannot reach the database, though others may.
    cut_off_until: u64,
}

impl Host {
    pub(crate) fn new(number: usize, sim: Arc<Sim>, skew_ms: i64) -> Self {
        Self { number, name: format!("host {number}"), sim, skew_ms, fate: Mutex::default() }
    }

    /// Something that the machine does to what lies outside of it begins or has ended here. On one that
    /// has died nothing goes on.
    pub(crate) async fn point(&self, step: Step) {
        let dies = {
            let mut fate = lock(&self.fate);
            if let Some(dies_in) = &mut fate.dies_in {
                *dies_in = dies_in.saturating_sub(1);
            }
            let dies = !fate.dead && fate.dies_in == Some(0);
            if !fate.dead {
                fate.steps.push(step);
            }
            fate.dead |= dies;
            dies
        };
        if dies {
            self.sim.note(format_args!("{} dies: {step:?}", self.name));
            self.sim.disturb_until(self.sim.now(), BOTH);
        }
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
        let until = lock(&self.fate).halted_until;
        if let Some(until) = until {
            sleep_until(until).await;
        }
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn die_in(&self, points: u64) {
        lock(&self.fate).dies_in = Some(points);
    }

    pub(crate) fn die(&self) {
        self.sim.note(format_args!("{} is killed", self.name));
        self.sim.disturb_until(self.sim.now(), BOTH);
        lock(&self.fate).dead = true;
    }

    /// All that it did until it died, or until now.
    pub(crate) fn steps(&self) -> Vec<Step> {
        lock(&self.fate).steps.clone()
    }

    pub(crate) fn is_dead(&self) -> bool {
        lock(&self.fate).dead
    }

    /// Whether it stands still, or did at `at` or later.
    pub(crate) fn halted_since(&self, at: u64) -> bool {
        let ago = Duration::from_millis(self.sim.now().saturating_sub(at));
        lock(&self.fate).halted_until.is_some_and(|until| Instant::now() <= until + ago)
    }

    /// It cannot reach the database until then.
    pub(crate) fn cut_off(&self, until: u64) {
        lock(&self.fate).cut_off_until = until;
    }

    pub(crate) fn is_cut_off(&self) -> bool {
        lock(&self.fate).cut_off_until > self.sim.now()
    }

    /// Nothing that it does comes to anything for so long.
    pub(crate) fn halt(&self, ms: u64) {
        self.sim.note(format_args!("{} halts for {ms} ms", self.name));
        let mut fate = lock(&self.fate);
        // One that stands still already does so for the longer time.
        fate.halted_until = fate.halted_until.max(Some(Instant::now() + Duration::from_millis(ms)));
    }
}

impl Clock for Host {
    fn now(&self) -> UnixMillis {
        let now = i64::try_from(self.sim.now()).unwrap_or(i64::MAX);
        UnixMillis::from_millis(now + self.skew_ms)
    }
}
