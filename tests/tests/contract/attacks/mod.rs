//! The attacks that The Update Framework's specification (1.0, sections 1.5.2 and 5) names, on real edges:
//! somebody hostile answers for a lane, or writes to KV. What is held goes on being judged as before, nothing
//! passes for want of an answer, nobody waits long, memory stays what it was, and the truth is taken once it is
//! told again.

mod freeze;
mod kv;
mod lane;
mod mirrors;
mod order;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use keyward_shared::snapshot::Head;
use keyward_tests::heads::Heads;
use keyward_tests::hostile::{Answer, Hostile};
use keyward_tests::stack::{Admin, NewKey, eventually, generation};
use keyward_tests::{Fleet, FleetOptions, Lanes, Times, Workerd};
use serde_json::{Value, json};

use crate::Test;
use crate::turns::fleet;

pub(crate) fn tests() -> Vec<Test> {
    [lane::tests(), freeze::tests(), order::tests(), mirrors::tests(), kv::tests()].into_iter().flatten().collect()
}

/// A load is given up after a second, and the first head of all is waited for twice as long; the machine is busy
/// with other tests.
const SOON: Duration = Duration::from_secs(3);
/// How long an attack goes on: longer than a lane is waited for.
const ATTACK: Duration = Duration::from_secs(7);
/// The pause before the next attempt has grown to some seconds.
const RECOVERY: Duration = Duration::from_secs(40);
/// What a runtime's memory may grow by under attack: what JavaScript leaves behind until it is collected. It came
/// to 120 MiB and stayed there while gigabytes were sent.
const MAX_GROWTH: u64 = 160 << 20;

/// What an answer is read of at most: a head, and what lies in the buffers between.
const MAX_TAKEN: u64 = 4 << 20;

/// An attack in a few words, what it is tried on, and what is answered.
type Attack = (&'static str, &'static str, Answer);

/// Edges that each read over a lane of their own, and keys that they judge.
struct Scene {
    lanes: Vec<Hostile>,
    admin: Admin,
    heads: Heads,
    /// Passes, before and after.
    usable: NewKey,
    /// Never passes.
    disabled: NewKey,
    /// Passes until somebody disables it.
    changed: NewKey,
    /// What all edges have applied at first.
    held: u64,
}

impl Scene {
    /// Has every key in a leaf and none beside the tree, and every edge hold that leaf.
    fn begin(fleet: &mut Fleet, edges: usize) -> Result<Self> {
        let admin = fleet.admin()?;
        let usable = admin.key("usable")?;
        let disabled = admin.key_in(&usable.workspace, "disabled", json!({}))?;
        let changed = admin.key_in(&usable.workspace, "changed", json!({}))?;
        admin.act(&disabled, "disable", &json!({}))?;
        begin_anew(fleet)?;
        let held = generation(&json!({"generation": fleet.published()?["published_generation"]}))?;
        let mut lanes = Vec::new();
        for at in 0..edges {
            let lane = Hostile::start(&fleet.control_plane().url())?;
            fleet.stop_edge(at)?;
            fleet.start_edge(at, &[("KEYWARD_LANE_URL", &lane.url())])?;
            lanes.push(lane);
        }
        let heads = Heads::of(fleet.control_plane())?;
        let scene = Self { lanes, admin, heads, usable, disabled, changed, held };
        for edge in fleet.edges() {
            scene.judged(edge, [200, 401, 200])?;
        }
        Ok(scene)
    }

    /// Each key is judged so, and soon.
    fn judged(&self, edge: &Workerd, wanted: [u16; 3]) -> Result<()> {
        let mut times = Times::default();
        self.judged_in(&mut times, edge, wanted)?;
        times.all_but_one_below(SOON)
    }

    /// Each key is judged so, each in its time.
    fn judged_in(&self, times: &mut Times, edge: &Workerd, wanted: [u16; 3]) -> Result<()> {
        for (key, wanted) in [&self.usable, &self.disabled, &self.changed].into_iter().zip(wanted) {
            let answer = times.of(|| edge.edge("/v1/ping").key(&key.secret).send()?.must_be(wanted));
            let answer = answer.with_context(|| format!("key {}", key.id))?;
            if wanted == 503 {
                ensure!(answer.header("retry-after").is_some(), "{}", answer.text());
            }
        }
        Ok(())
    }

    /// Nothing that needs an object is judged, neither way, and what needs none is.
    fn lacks_objects(&self, edge: &Workerd) -> Result<()> {
        self.judged(edge, [503; 3])?;
        let refusal = edge.edge("/v1/ping").key(&self.usable.secret).send()?.must_be(503)?;
        ensure!(refusal.json()?["code"] == "object_unavailable", "{}", refusal.text());
        edge.edge("/v1/ping").header("authorization", "Basic ?").send()?.must_be(401)?;
        Ok(())
    }

    /// The head as the true lane has it.
    fn true_head(&self) -> Result<(Vec<u8>, Head)> {
        let bytes = self.admin.get("/v1/snapshot/head")?.must_be(200)?.body;
        let head = self.heads.read(&bytes)?;
        Ok((bytes, head))
    }

    /// An object as the true lane has it.
    fn object(&self, name: impl std::fmt::Display) -> Result<Vec<u8>> {
        Ok(self.admin.get(&format!("/v1/snapshot/objects/{name}"))?.must_be(200)?.body)
    }

    /// Disables the key that is there to be, which an edge that is kept from news does not hear of.
    fn change(&self) -> Result<u64> {
        generation(&self.admin.act(&self.changed, "disable", &json!({}))?)
    }

    /// Attacks each edge in its own way, while a key is disabled. None believes anything, and all of them
    /// believe the truth when it is told again. `check` looks at what an edge says of itself under attack.
    fn withstands(&self, fleet: &Fleet, attacks: &[Attack], check: impl Fn(&Value) -> Result<()>) -> Result<()> {
        let edges: Vec<_> = fleet.edges().zip(&self.lanes).zip(attacks).collect();
        ensure!(edges.len() == attacks.len(), "an edge for each attack");
        let mut before = Vec::new();
        for ((edge, lane), (_, of, answer)) in &edges {
            edge.forget_peak_memory()?;
            before.push((edge.peak_memory()?, lane.asked().len()));
            lane.answer([(*of, answer.clone())]);
        }
        let changed = self.change()?;
        let (began, mut times) = (Instant::now(), vec![Times::default(); edges.len()]);
        while began.elapsed() < ATTACK {
            for (((edge, _), (kind, ..)), times) in edges.iter().zip(&mut times) {
                self.judged_in(times, edge, [200, 401, 200]).with_context(|| (*kind).to_owned())?;
            }
            thread::sleep(Duration::from_millis(100));
        }
        for (times, (_, (kind, ..))) in times.into_iter().zip(&edges) {
            times.all_but_one_below(SOON).with_context(|| (*kind).to_owned())?;
        }
        for (((edge, lane), (kind, _, answer)), (memory, asked)) in edges.iter().zip(before) {
            let status = edge.status()?;
            ensure!(status["generation"] == json!(self.held), "{kind}: {status}");
            check(&status).with_context(|| format!("{kind}: {status}"))?;
            ensure!(lane.asked().len() > asked, "{kind}: nobody has asked");
            grown_little(edge, memory).with_context(|| format!("{kind}, of {} bytes", lane.taken()))?;
            // What comes to nothing when it is inflated is read until its time is over.
            if !matches!(answer, Answer::EmptyBomb) {
                let (taken, asked) = (lane.taken(), lane.asked().len());
                ensure!(taken < asked as u64 * MAX_TAKEN, "{kind}: {taken} bytes were taken in {asked} answers");
            }
            lane.answer([]);
        }
        for ((edge, _), (kind, ..)) in &edges {
            applied(edge, changed).with_context(|| format!("{kind} no more"))?;
            self.judged(edge, [200, 401, 401]).with_context(|| format!("{kind} no more"))?;
        }
        Self::nothing_forwarded(fleet)
    }

    /// The keys were only ever used for what edges answer themselves.
    fn nothing_forwarded(fleet: &Fleet) -> Result<()> {
        ensure!(fleet.origin().seen().is_empty(), "something was forwarded");
        Ok(())
    }

    /// Starts an edge anew on its lane, without waiting for a head.
    fn restart(&self, fleet: &mut Fleet, at: usize, variables: &[(&str, &str)]) -> Result<()> {
        fleet.stop_edge(at)?;
        let url = self.lanes[at].url();
        let all: Vec<_> = [("KEYWARD_LANE_URL", &*url)].into_iter().chain(variables.iter().copied()).collect();
        fleet.start_edge_unready(at, &all)
    }
}

/// Edges that read over http alone, an attacker each.
fn over_http(edges: usize, test: impl FnOnce(&mut Fleet, &Scene) -> Result<()>) -> Result<()> {
    fleet(&FleetOptions::new(edges, Lanes::Http), |fleet| {
        let scene = Scene::begin(fleet, edges)?;
        test(fleet, &scene)
    })
}

/// The whole of an attack on what each edge holds.
fn withstood(attacks: &[Attack], check: impl Fn(&Value) -> Result<()>) -> Result<()> {
    over_http(attacks.len(), |fleet, scene| scene.withstands(fleet, attacks, check))
}

/// What says of itself that nothing confirms what it holds.
fn is_stale(status: &Value) -> Result<()> {
    ensure!(status["state"] == "stale", "what nobody tells the truth about is confirmed");
    Ok(())
}

fn grown_little(edge: &Workerd, before: u64) -> Result<()> {
    let grown = edge.peak_memory()?.saturating_sub(before);
    ensure!(grown < MAX_GROWTH, "memory has grown by {} MiB", grown >> 20);
    Ok(())
}

/// Waits as long as an edge may take that has failed to reach its lane for some time.
fn applied(edge: &Workerd, wanted: u64) -> Result<()> {
    eventually(RECOVERY, || {
        let status = edge.status()?;
        ensure!(status["generation"].as_u64() >= Some(wanted) && status["state"] == "fresh", "{status}");
        Ok(())
    })
}

/// Has the publisher begin anew, with a tree of everything and nothing beside it.
fn begin_anew(fleet: &Fleet) -> Result<()> {
    fleet.published()?;
    fleet.stop_control_plane()?;
    raise_epoch(fleet)?;
    fleet.start_control_plane()?;
    let published = fleet.published()?;
    fleet.applied(published["published_generation"].as_u64().context("no generation")?)
}

fn raise_epoch(fleet: &Fleet) -> Result<()> {
    let mut command = fleet.control_plane().command("raise-epoch");
    match fleet.kv() {
        Ok(kv) => command.args(["--kv-url", &kv.url()]),
        Err(_) => command.arg("--without-kv"),
    };
    let raised = command.output()?;
    if !raised.status.success() {
        bail!("raise-epoch: {}", String::from_utf8_lossy(&raised.stderr));
    }
    Ok(())
}
