//! One publisher takes over from another that stands still, and that one wakes.

use std::time::Duration;

use keyward_control_plane::publish::TARGET_RECORDS;
use tokio::time::sleep;

use crate::bugs::Bug;
use crate::kv::WriteFault;
use crate::sim::{BOTH, Invariant, lock};
use crate::story::{Told, tell};
use crate::world::{Lanes, Setting, World};

/// The lease runs out, and another has taken it and written a head.
const TAKEN_OVER_MS: u64 = 60_000;

fn setting() -> Setting {
    Setting {
        head_ttl: Duration::from_hours(24),
        kv_late_ms: 200,
        alone: false,
        edges: vec![(Lanes::Http, 0), (Lanes::Kv, 0)],
        host_skew_ms: 0,
        read_ms: 0,
        leaf_records: TARGET_RECORDS,
    }
}

/// In this story everything holds, and with a bug the bound does not.
fn holds(live: &impl AsyncFn(&mut World), unless: Option<Bug>) -> Told {
    let story = |bug| tell(move || World::new(0, bug, |_| setting()), live);
    let told = story(None);
    assert!(told.violation.is_none(), "{:?}", told.violation);
    if unless.is_some() {
        let Told { violation, lines, .. } = story(unless);
        let violation = violation.unwrap_or_else(|| panic!("a bug that is not seen\n{}", lines.join("\n")));
        assert_eq!(violation.invariant, Invariant::Bound, "{violation:?}");
    }
    told
}

#[test]
fn a_standby_takes_over_and_who_is_superseded_serves_nothing() {
    let told = holds(&World::take_over, None);
    assert!(told.verdicts > 1_000, "{} verdicts meanwhile", told.verdicts);
}

#[test]
fn who_takes_over_a_restored_database_publishes_nothing() {
    holds(&World::take_over_restored, None);
}

#[test]
fn who_is_cut_off_from_the_database_serves_nothing_once_another_may_publish() {
    let told = holds(&World::be_cut_off, Some(Bug::CutOffServes));
    assert!(told.bound[1] > 0, "no change had to be known over http");
}

#[test]
fn who_takes_over_writes_over_what_lands_late() {
    holds(&World::be_written_over, Some(Bug::WrittenOnce));
}

#[test]
fn who_had_no_answer_writes_over_what_lands_late() {
    holds(&World::be_overtaken, Some(Bug::WrittenOnce));
}

impl World {
    /// A head that was given up lands when the same publisher has written a newer one.
    async fn be_overtaken(&mut self) {
        self.create(8, None);
        self.start();
        sleep(Duration::from_secs(2)).await;
        self.kv.fail_writes(WriteFault::Held, u64::MAX);
        self.disable();
        sleep(Duration::from_secs(3)).await;
        self.kv.mend();
        sleep(Duration::from_secs(12)).await;
        self.create(1, None);
        sleep(Duration::from_secs(3)).await;
        self.look_at_kv();
        let newest = self.kv.head().map(|head| head.order());
        assert_eq!(self.kv.land_held(), 1);
        assert!(self.kv.head().map(|head| head.order()) < newest, "it lands above the newest");
        // Long before the next that says nothing new, and though nothing changes.
        sleep(Duration::from_secs(15)).await;
        self.look_at_kv();
    }

    /// The first dies while it writes a head, and that lands when the second has written its own.
    async fn be_written_over(&mut self) {
        self.create(8, None);
        self.start();
        sleep(Duration::from_secs(2)).await;
        self.start();
        sleep(Duration::from_secs(2)).await;
        let before = self.kv.head().map(|head| head.epoch);
        self.kv.fail_writes(WriteFault::Held, u64::MAX);
        self.disable();
        sleep(Duration::from_secs(3)).await;
        self.kv.mend();
        self.machines[0].host.die();
        let until = self.sim.now() + TAKEN_OVER_MS;
        while self.kv.head().map(|head| head.epoch) == before {
            assert!(self.sim.now() < until, "nobody takes over");
            sleep(Duration::from_millis(100)).await;
        }
        sleep(Duration::from_secs(5)).await;
        assert_eq!(self.kv.land_held(), 1);
        assert_eq!(self.kv.head().map(|head| head.epoch), before, "it lands above the newest");
        // Long before the next that says nothing new, and though nothing changes.
        sleep(Duration::from_secs(15)).await;
        self.look_at_kv();
    }

    /// Again and again, while keys are disabled and asked for.
    async fn be_cut_off(&mut self) {
        self.create(24, None);
        self.start();
        sleep(Duration::from_secs(2)).await;
        for _ in 0..12 {
            self.cut_off_one().await;
            sleep(Duration::from_secs(40)).await;
        }
    }

    /// The standby has compared KV with the record before, when it was its turn to publish. Since then the
    /// database has been restored from a backup.
    async fn take_over_restored(&mut self) {
        self.create(8, None);
        self.start();
        sleep(Duration::from_secs(2)).await;
        self.start();
        sleep(Duration::from_secs(2)).await;
        let backends = lock(&self.front.backends).clone();
        let [first, second] = backends.as_slice() else { panic!("two publishers") };
        first.host.halt(60_000);
        sleep(Duration::from_secs(75)).await;
        assert!(first.source.head().await.is_none() && second.source.head().await.is_some());

        let backup = lock(&self.database).clone();
        self.disable();
        sleep(Duration::from_secs(5)).await;
        let written = self.kv.head().map(|head| head.order());
        assert!(written > backup.head.as_ref().map(|head| head.order), "{written:?}");
        second.host.die();
        *lock(&self.database) = backup;
        sleep(Duration::from_secs(45)).await;
        assert!(first.source.halted().is_some(), "a revocation would be undone");
        assert!(first.source.head().await.is_none());
        assert_eq!(self.kv.head().map(|head| head.order()), written);
    }

    async fn take_over(&mut self) {
        self.create(8, None);
        self.start();
        sleep(Duration::from_secs(2)).await;
        self.start();
        sleep(Duration::from_secs(2)).await;
        // Heads of the first that the second has not seen when it started.
        for _ in 0..4 {
            self.create(1, None);
            sleep(Duration::from_secs(5)).await;
        }
        let backends = lock(&self.front.backends).clone();
        let [first, second] = backends.as_slice() else { panic!("two publishers") };
        assert!(first.source.head().await.is_some() && second.source.head().await.is_none());
        self.ask_for(5).await;
        // What is true goes on being told; only how soon a change is known is not promised meanwhile.
        self.sim.disturb_until(self.sim.now() + TAKEN_OVER_MS, BOTH);
        first.host.halt(60_000);
        self.ask_for(45).await;
        assert_eq!(second.source.halted(), None);
        assert!(second.source.head().await.is_some(), "the lease has run out");
        // The first wakes, and finds that it has the lease no more.
        self.ask_for(30).await;
        assert!(first.source.head().await.is_none(), "a head of the one before is served");
        let newest = second.source.head().await.map(|head| head.etag.clone());
        self.create(1, None);
        self.ask_for(2).await;
        assert_ne!(second.source.head().await.map(|head| head.etag.clone()), newest);
    }

    /// So many seconds go by, in which keys are asked for everywhere, each verdict held against the truth.
    async fn ask_for(&self, seconds: u64) {
        for _ in 0..seconds {
            self.ask(20);
            self.wait(1_000).await;
        }
    }
}
