//! The kv lane alone, where KV shows writes late and caches what it has shown, absences included.
//!
//! Two fleets run side by side, each with a KV that is late: keys of one are changed, of the other none. Both are
//! asked for all their keys at the same moments, so that what changes cost a request is told apart from what the
//! machine does meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::line::{Line, Question};
use super::load::{A_SECOND, Load, Outcome, Questions};
use super::times;
use super::watched::Watched;
use crate::bench::figures::{as_f64, milliseconds, percentile};
use crate::bench::{Row, Samples, Target};
use crate::fake_kv::{Fault, When};
use crate::stack::{Admin, eventually};
use crate::{Fleet, FleetOptions, Lanes};

/// The one whose keys are changed, and the one that is left as it is.
const FLEETS: usize = 2;

/// A KV that is late: by the platform's own figures, or by all of them shortened alike.
#[derive(Clone, Copy)]
pub(super) struct Late {
    pub(super) shown_after: Duration,
    pub(super) cached_for: Duration,
    /// How often an edge asks.
    pub(super) refresh: Duration,
    /// What a change may take.
    pub(super) bound: Duration,
}

impl Late {
    /// Edges that ask so often.
    pub(super) fn options(&self, edges: usize, lanes: Lanes) -> FleetOptions {
        let refresh = self.refresh.as_secs().to_string();
        FleetOptions::new(edges, lanes).variable("KEYWARD_KV_REFRESH_SECONDS", refresh).as_shipped()
    }

    /// From now on writes are shown late, and what was read is cached.
    pub(super) fn begin(&self, fleet: &Fleet) -> Result<()> {
        fleet.kv()?.script([
            When::read().then(Fault::ShowAfter(self.shown_after)),
            When::read().then(Fault::CacheFor(self.cached_for)),
        ]);
        Ok(())
    }
}

/// What is measured.
pub(super) struct Plan {
    pub(super) late: Late,
    /// Each is changed once.
    pub(super) keys: usize,
    /// Over so long.
    pub(super) changes_over: Duration,
    /// Both fleets are asked for so long before the first change.
    pub(super) quiet_for: Duration,
    /// Latencies are compared by so long.
    pub(super) round: Duration,
}

/// The keys of both fleets: all of them in turn, a fleet after the other.
struct Twins([Vec<Watched>; FLEETS]);

impl Twins {
    fn key(&self, number: usize) -> &Watched {
        let keys = &self.0[number % FLEETS];
        &keys[number / FLEETS % keys.len()]
    }
}

impl Questions for Twins {
    fn ask(&self, number: usize) -> (usize, &Question) {
        (number % FLEETS, self.key(number).question())
    }

    fn answered(&self, number: usize, status: u16, asked: Instant) -> Result<()> {
        self.key(number).answered(status, asked);
        Ok(())
    }
}

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let start = || -> Result<(Fleet, Vec<Watched>)> {
        let fleet = Fleet::start(&plan.late.options(1, Lanes::Kv))?;
        let keys = prepare(&fleet, plan)?;
        plan.late.begin(&fleet)?;
        Ok((fleet, keys))
    };
    let ((changed, its_keys), (left, the_others)) = thread::scope(|scope| {
        let other = scope.spawn(start);
        anyhow::Ok((start()?, other.join().ok().context("a thread panicked")??))
    })?;
    let edges: Vec<SocketAddr> = [&changed, &left].map(|fleet| fleet.edge(0).address()).to_vec();
    let (twins, admin) = (Arc::new(Twins([its_keys, the_others])), changed.admin()?);
    eprintln!("Measuring the kv lane: {} s without changes", plan.quiet_for.as_secs());
    let load = Load::of(&edges, 2 * A_SECOND, Arc::clone(&twins) as Arc<dyn Questions>)?;
    thread::sleep(plan.quiet_for);
    let began = Instant::now();
    let made = change(&admin, plan, &twins.0[0]);
    let load = load.end()?;
    made?;
    rows(plan, &twins, &load, began)
}

/// Makes the keys, and waits until the edge answers for each as it is.
fn prepare(fleet: &Fleet, plan: &Plan) -> Result<Vec<Watched>> {
    let admin = fleet.admin()?;
    let workspace = admin.workspace("watched")?;
    let workspace = workspace["id"].as_str().context("a workspace without id")?;
    let keys = (0..plan.keys).map(|number| Watched::prepare(&admin, workspace, number));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    let mut line = Line::to(fleet.edge(0).address())?;
    for key in &keys {
        eventually(3 * plan.late.refresh, || {
            ensure!(line.ask(key.question())? == key.before(), "not known yet");
            Ok(())
        })?;
    }
    Ok(keys)
}

/// Makes all changes at an even pace, and waits until each is known, and a while longer in which none may be
/// forgotten.
fn change(admin: &Admin, plan: &Plan, keys: &[Watched]) -> Result<()> {
    eprintln!("Measuring the kv lane: {} changes within {} s", keys.len(), plan.changes_over.as_secs());
    let began = Instant::now();
    for (number, key) in (1..).zip(keys) {
        key.change(admin)?;
        let due = plan.changes_over * number / u32::try_from(keys.len())?;
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    let since = Instant::now();
    while keys.iter().any(|key| key.took().is_none()) {
        ensure!(since.elapsed() < 2 * plan.late.bound, "a change was never known");
        thread::sleep(Duration::from_millis(100));
    }
    // Everything that is cached and asked for has been asked for again by then.
    thread::sleep(plan.late.cached_for + plan.late.refresh);
    Ok(())
}

fn rows(plan: &Plan, twins: &Twins, load: &Outcome, began: Instant) -> Result<Vec<Row>> {
    let [changed, left] = &twins.0;
    let took = changed.iter().map(Watched::took).collect::<Option<_>>().context("a change was never known")?;
    let (shown_after, cached_for) = (plan.late.shown_after.as_secs(), plan.late.cached_for.as_secs());
    let at = format!("kv lane, writes shown after {shown_after} s, cached for {cached_for} s");
    let mut rows = times(&at, took, [None, Some(milliseconds(plan.late.bound))]);
    let wrong = as_f64(changed.iter().chain(left).map(Watched::wrong).sum());
    rows.push(
        Row::new("the same: answers by a change before it, or not by it after it was known", wrong, "answers")
            .target(Target::AtMost(0.0)),
    );
    let quiet = ratios(load, plan.round, |due| due < began);
    let [with, without, ratio] = ratios(load, plan.round, |due| due >= began);
    rows.push(Row::of("the same: a request where keys are changed, p99, median of rounds", &with, "ms"));
    rows.push(Row::of("the same: a request where none is, p99, median of rounds", &without, "ms"));
    rows.push(
        Row::of("the same: with changes to without, p99, median of rounds", &ratio, "×").target(Target::AtMost(1.10)),
    );
    rows.push(Row::of("the same: of the two before the first change", &quiet[2], "×"));
    rows.extend(load.rows());
    Ok(rows)
}

/// The p99 of both fleets' requests that were due then, round after round: in milliseconds, and the one to the
/// other. A round that is not whole is left out.
fn ratios(load: &Outcome, round: Duration, when: impl Fn(Instant) -> bool) -> [Samples; 3] {
    let answers: Vec<_> = load.answers.iter().filter(|answer| when(answer.due)).collect();
    let mut p99 = [Samples::new(), Samples::new()];
    let Some(first) = answers.first() else { return [Samples::new(), Samples::new(), Samples::new()] };
    let whole = answers.last().map_or(Duration::ZERO, |last| last.due - first.due).as_millis() / round.as_millis();
    let in_rounds = answers.chunk_by(|one, other| {
        let of = |due: Instant| (due - first.due).as_millis() / round.as_millis();
        of(one.due) == of(other.due)
    });
    for (_, answers) in (0..whole).zip(in_rounds) {
        for (fleet, samples) in p99.iter_mut().enumerate() {
            let its = answers.iter().filter(|answer| answer.number % FLEETS == fleet);
            let mut times: Vec<_> = its.map(|answer| answer.took).collect();
            times.sort_unstable();
            samples.push(milliseconds(percentile(&times, 99)));
        }
    }
    let [with, without] = p99;
    let ratio = with.over(&without);
    [with, without, ratio]
}

#[cfg(test)]
mod tests {
    use super::super::load::Answer;
    use super::*;

    #[test]
    fn rounds_are_whole_and_compare_the_two() {
        let began = Instant::now();
        let due = |number: usize| began + Duration::from_millis(number as u64);
        let took = |number: usize| Duration::from_millis(if number.is_multiple_of(FLEETS) { 6 } else { 3 });
        let answers = (0..3_500).map(|number| Answer { number, due: due(number), took: took(number) });
        let load = Outcome::of(answers.collect());
        let [with, without, ratio] = ratios(&load, Duration::from_secs(1), |due| due >= began);
        assert_eq!((with.spread(), without.spread(), ratio.spread()), ((6.0, 6.0), (3.0, 3.0), (2.0, 2.0)));
        let [late, ..] = ratios(&load, Duration::from_secs(1), |at| at >= due(2_600));
        assert!(late.median().is_nan(), "no round is whole");
    }
}
