//! How one story goes: what happens, in which order, and when it must be as it should again.

use std::time::Duration;

use keyward_shared::policy::Access;
use tokio::time::sleep;

use crate::bugs::Bug;
use crate::isolate::Asked;
use crate::sim::{Lane, Sim, Violation, lock};
use crate::truth::secrets;
use crate::world::{Lanes, Setting, World};

const MINUTE_MS: i64 = 60_000;

/// What came of a story.
pub(crate) struct Told {
    pub(crate) violation: Option<Violation>,
    pub(crate) lines: Vec<String>,
    /// How many verdicts were compared with the truth.
    pub(crate) verdicts: u64,
}

/// Tells the story of a seed.
pub(crate) fn tell(seed: u64, bug: Option<Bug>) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut world = World::new(seed, bug, setting);
        world.live().await;
        Told { violation: world.sim.violation(), lines: world.sim.lines(), verdicts: world.sim.verdicts() }
    })
}

fn setting(_: &Sim) -> Setting {
    Setting {
        head_ttl: Duration::from_hours(24),
        kv_late_ms: 60_000,
        alone: true,
        edges: [(Lanes::Kv, 0), (Lanes::Http, 0), (Lanes::Both, 0)],
        host_skew_ms: 0,
    }
}

impl World {
    async fn live(&mut self) {
        self.create(24, None);
        self.start();
        self.disturb_until(self.sim.now(), &[Lane::Kv, Lane::Http]);
        sleep(Duration::from_secs(1)).await;
        for _ in 0..100 {
            if self.sim.violation().is_some() {
                return;
            }
            self.happen();
            self.ask(3);
            let gap = if self.sim.once_in(8) { 20_000 } else { 600 };
            self.sim.pass(10, gap).await;
        }
    }

    /// Edges are asked about some secrets.
    pub(crate) fn ask(&self, times: u64) {
        for _ in 0..times {
            let seen = u64::try_from(self.keys.seen()).unwrap_or(1);
            let secret = usize::try_from(self.sim.below(seen)).ok().and_then(|at| secrets().get(at));
            let (Some(secret), Some(edge)) = (secret, self.sim.one_of(&self.edges)) else { continue };
            let asked = Asked { secret, writes: self.sim.once_in(3) };
            tokio::spawn(std::sync::Arc::clone(edge).ask(asked));
        }
    }

    fn happen(&mut self) {
        match self.sim.below(12) {
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
            _ => {}
        }
        let _ = (lock(&self.database).epoch, MINUTE_MS);
    }
}
