//! One publisher takes over from another that stands still, and that one wakes.

use std::time::Duration;

use keyward_control_plane::publish::TARGET_RECORDS;
use tokio::time::sleep;

use crate::bugs::Bug;
use crate::sim::{Invariant, lock};
use crate::story::tell;
use crate::world::{Lanes, Setting, World};

fn setting() -> Setting {
    Setting {
        head_ttl: Duration::from_hours(24),
        kv_late_ms: 200,
        alone: false,
        edges: vec![(Lanes::Http, 0)],
        host_skew_ms: 0,
        read_ms: 0,
        leaf_records: TARGET_RECORDS,
    }
}

#[test]
fn a_standby_takes_over_and_who_is_superseded_serves_nothing() {
    let told = tell(|| World::new(0, None, |_| setting()), &World::take_over);
    assert!(told.violation.is_none(), "{:?}", told.violation);
}

#[test]
fn who_takes_over_a_restored_database_publishes_nothing() {
    let told = tell(|| World::new(0, None, |_| setting()), &World::take_over_restored);
    assert!(told.violation.is_none(), "{:?}", told.violation);
}

#[test]
fn who_is_cut_off_from_the_database_serves_nothing_once_another_may_publish() {
    let story = |bug| tell(move || World::new(0, bug, |_| setting()), &World::be_cut_off).violation;
    let violation = story(None);
    assert!(violation.is_none(), "{violation:?}");
    let violation = story(Some(Bug::CutOffServes)).expect("a bug that is seen");
    assert_eq!(violation.invariant, Invariant::Bound, "{violation:?}");
}

impl World {
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
        first.host.halt(60_000);
        sleep(Duration::from_secs(45)).await;
        assert_eq!(second.source.halted(), None);
        assert!(second.source.head().await.is_some(), "the lease has run out");
        // The first wakes, and finds that it has the lease no more.
        sleep(Duration::from_secs(30)).await;
        assert!(first.source.head().await.is_none(), "a head of the one before is served");
        let newest = second.source.head().await.map(|head| head.etag.clone());
        self.create(1, None);
        sleep(Duration::from_secs(2)).await;
        assert_ne!(second.source.head().await.map(|head| head.etag.clone()), newest);
    }
}
