//! Many changes at once, while KV refuses some of what it is given: its limits are never reached, heads come
//! after their objects, and edges that ask the control plane do not wait for any of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use keyward_tests::fake_kv::{Fault, When};
use keyward_tests::heads::Heads;
use keyward_tests::{Fleet, FleetOptions, Lanes};
use serde_json::json;

use crate::Test;
use crate::turns::fleet;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::alone("many_changes_stay_far_below_what_kv_takes_while_it_refuses_some", || {
        fleet(&FleetOptions::new(1, Lanes::Both), storm)
    })]
}

const WRITERS: usize = 8;
/// How long changes come.
const STORM: Duration = Duration::from_secs(14);
/// What the http lane promises, and as much again: eight others write, and other tests run.
const SEEN: Duration = Duration::from_secs(4);

fn storm(fleet: &mut Fleet) -> Result<()> {
    let admin = fleet.admin()?;
    let victim = admin.key("victim")?;
    let keys = (0..WRITERS).map(|at| admin.key(&format!("stormy-{at}"))).collect::<Result<Vec<_>>>()?;
    fleet.published()?;
    fleet.applied(victim.generation)?;
    fleet.edge(0).edge("/v1/ping").key(&victim.secret).send()?.must_be(200)?;
    let objects = || When::written().of("object-*");
    fleet.kv()?.script([
        objects().then(Fault::RefuseSome(2)).every(3),
        objects().then(Fault::Status(500)).every(4),
        When::written().of("head").then(Fault::Status(429)).every(3),
    ]);
    let (done, changes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let took = thread::scope(|scope| {
        for key in &keys {
            let (admin, done, changes) = (&admin, &done, &changes);
            scope.spawn(move || -> Result<()> {
                while !done.load(Ordering::Relaxed) {
                    for verb in ["disable", "enable"] {
                        admin.act(key, verb, &json!({}))?;
                        changes.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok(())
            });
        }
        let began = Instant::now();
        let took = || -> Result<Duration> {
            thread::sleep(STORM / 2);
            admin.act(&victim, "disable", &json!({}))?;
            let acknowledged = Instant::now();
            while fleet.edge(0).edge("/v1/ping").key(&victim.secret).send()?.status != 401 {
                ensure!(acknowledged.elapsed() < SEEN, "after {SEEN:?} it is not refused");
                thread::sleep(Duration::from_millis(5));
            }
            let took = acknowledged.elapsed();
            thread::sleep(STORM.saturating_sub(began.elapsed()));
            Ok(took)
        };
        let took = took();
        done.store(true, Ordering::Relaxed);
        took
    })?;
    ensure!(took < SEEN, "it took {took:?}");
    let changes = changes.into_inner();
    ensure!(changes > 50, "{changes} changes are no storm");
    fleet.kv()?.work();
    let snapshot = fleet.published()?;
    ensure!(snapshot["last_error"].is_null(), "{snapshot}");
    let calls = fleet.kv()?.calls();
    let times: Vec<Instant> = calls.iter().map(|call| call.at).collect();
    let span = Duration::from_secs(10);
    let most = times.iter().map(|from| times.iter().filter(|at| (*from..*from + span).contains(at)).count()).max();
    ensure!(most <= Some(21), "{most:?} calls within {span:?}: two a second are promised");
    ensure!(calls.iter().any(|call| call.status == Some(429)), "KV refused nothing");
    let heads = Heads::of(fleet.control_plane())?.in_order(&calls)?;
    let last = heads.last().context("no head was written")?;
    ensure!(snapshot["published_generation"].as_u64() <= Some(last.generation), "{snapshot}");
    Ok(())
}
