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
use super::load::{A_SECOND, Answer, Load, Outcome, Questions};
use super::times;
use super::watched::Watched;
use crate::bench::figures::{as_f64, milliseconds, percentile};
use crate::bench::{Row, Samples, Target};
use crate::fake_kv::{Fault, When};
use crate::stack::{Admin, eventually};
use crate::{Fleet, FleetOptions, Lanes};

/// The one whose keys are changed, and the one that is left as it is.
const FLEETS: usize = 2;
/// What requests may take where keys are changed, over what they take where none is.
const SLOWER: f64 = 1.10;

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

    /// From now on writes are shown late, and what was read is cached. What was written before has been shown.
    pub(super) fn begin(&self, fleet: &Fleet) -> Result<()> {
        fleet.kv()?.age(self.shown_after);
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
    // The edge asks for a head once more meanwhile.
    thread::sleep(plan.late.refresh);
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
    let compared = |when: &dyn Fn(Instant) -> bool| Compared::of(load, plan.late.refresh, when);
    let [quiet, changing] = [compared(&|due| due < began), compared(&|due| due >= began)];
    rows.extend(changing.rows(plan.late.refresh));
    rows.push(Row::new("the same: of the two before the first change", quiet.ratio(), "×"));
    rows.extend(load.rows());
    Ok(rows)
}

/// The p99 of both fleets' requests in milliseconds: of all, and round after round.
struct Compared {
    all: [f64; FLEETS],
    rounds: [Samples; FLEETS],
}

impl Compared {
    /// The requests that were due then. A round that is not whole is left out.
    fn of(load: &Outcome, round: Duration, when: &dyn Fn(Instant) -> bool) -> Self {
        let answers: Vec<_> = load.answers.iter().filter(|answer| when(answer.due)).copied().collect();
        let mut rounds = [Samples::new(), Samples::new()];
        if let (Some(first), Some(last)) = (answers.first(), answers.last()) {
            let of = |due: Instant| (due - first.due).as_millis() / round.as_millis();
            let in_rounds = answers.chunk_by(|one, other| of(one.due) == of(other.due));
            for (_, answers) in (0..of(last.due)).zip(in_rounds) {
                for (samples, p99) in rounds.iter_mut().zip(p99(answers)) {
                    samples.push(p99);
                }
            }
        }
        Self { all: p99(&answers), rounds }
    }

    fn ratio(&self) -> f64 {
        self.all[0] / self.all[1]
    }

    fn rows(&self, round: Duration) -> [Row; 4] {
        let [with, without] = self.all;
        // As long as an edge takes to ask again, so that what a new head costs is in each of them.
        let rounds = format!("the same: with changes to without, p99, rounds of {} s", round.as_secs());
        let ratios = self.rounds[0].over(&self.rounds[1]);
        [
            Row::new("the same: a verification where keys are changed, p99", with, "ms"),
            Row::new("the same: a verification where none is, p99", without, "ms"),
            Row::new("the same: with changes to without, p99", self.ratio(), "×").target(Target::AtMost(SLOWER)),
            Row::of(rounds, &ratios, "×").target(Target::AtMost(SLOWER)),
        ]
    }
}

fn p99(answers: &[Answer]) -> [f64; FLEETS] {
    let mut times = [(); FLEETS].map(|()| Vec::new());
    for answer in answers {
        times[answer.number % FLEETS].push(answer.took);
    }
    times.map(|mut times| {
        times.sort_unstable();
        milliseconds(percentile(&times, 99))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_whole_and_compare_the_two() {
        let began = Instant::now();
        let due = |number: usize| began + Duration::from_millis(number as u64);
        let took = |number: usize| Duration::from_millis(if number.is_multiple_of(FLEETS) { 6 } else { 3 });
        let answers = (0..3_500).map(|number| Answer { number, due: due(number), took: took(number) });
        let load = Outcome::of(answers.collect());
        let second = Duration::from_secs(1);
        let all = Compared::of(&load, second, &|_| true);
        let [with, without] = &all.rounds;
        assert_eq!((with.spread(), without.spread(), all.ratio()), ((6.0, 6.0), (3.0, 3.0), 2.0));
        assert_eq!(with.over(without).spread(), (2.0, 2.0));
        let late = Compared::of(&load, second, &|at| at >= due(2_600));
        assert!(late.rounds[0].median().is_nan(), "no round is whole");
    }
}
