//! The kv lane alone, where KV shows writes late and caches what it has shown, absences included.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::line::{Line, Question};
use super::load::Load;
use super::times;
use crate::bench::figures::{as_f64, milliseconds, percentile};
use crate::bench::{Row, Target};
use crate::fake_kv::{Fault, When};
use crate::stack::NewKey;
use crate::{Fleet, FleetOptions, Lanes};

/// How late, how long, and how many: the platform's own figures, or all of them shortened alike.
pub(super) struct Late {
    pub(super) keys: usize,
    pub(super) shown_after: Duration,
    pub(super) cached_for: Duration,
    pub(super) refresh: Duration,
    /// Requests are measured for so long without changes.
    pub(super) quiet_for: Duration,
    /// Changes come over this time.
    pub(super) changes_over: Duration,
    pub(super) bound: Duration,
}

/// A key that is changed while it is asked for.
struct Watched {
    key: NewKey,
    question: Question,
    /// What it is answered once the change is known: it was the other before.
    then: u16,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    acknowledged: Option<Instant>,
    took: Option<Duration>,
    wrong: u64,
}

impl Watched {
    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes an answer.
    fn answered(&self, status: u16) {
        self.state(|state| match (state.acknowledged, state.took) {
            (Some(at), None) if status == self.then => state.took = Some(at.elapsed()),
            // Before the change, and after it was known once, there is one right answer.
            (None, _) if status == self.then => state.wrong += 1,
            (_, Some(_)) if status != self.then => state.wrong += 1,
            _ => {}
        });
    }
}

pub(super) fn measure(late: &Late) -> Result<Vec<Row>> {
    let refresh = late.refresh.as_secs().to_string();
    let options = FleetOptions::new(1, Lanes::Kv).variable("KEYWARD_KV_REFRESH_SECONDS", refresh);
    let fleet = Fleet::start(&options.as_shipped())?;
    let admin = fleet.admin()?;
    let steady = admin.key("steady")?;
    let mut watched = Vec::new();
    for number in 0..late.keys {
        let key = admin.key_in(&steady.workspace, "watched", json!({}))?;
        // Every other one is to be accepted, and is not before.
        let then = if number % 2 == 0 { 401 } else { 200 };
        if then == 200 {
            admin.act(&key, "disable", &json!({}))?;
        }
        watched.push(Watched { question: Question::of(&key.secret), key, then, state: Mutex::default() });
    }
    let published = fleet.published()?;
    crate::stack::eventually(3 * late.refresh, || {
        let status = fleet.edge(0).status()?;
        ensure!(status["generation"] == published["generation"], "{status}");
        Ok(())
    })?;
    fleet.kv()?.script([
        When::read().then(Fault::ShowAfter(late.shown_after)),
        When::read().then(Fault::CacheFor(late.cached_for)),
    ]);
    let edge = fleet.edge(0).address();
    let done = AtomicBool::new(false);
    let (quiet, changing) = thread::scope(|scope| {
        let asking = scope.spawn(|| ask_all(edge, &watched, &done));
        let measured = measured(&fleet, late, &watched, &steady);
        done.store(true, Ordering::Relaxed);
        asking.join().ok().context("a thread panicked")??;
        measured
    })?;
    rows(late, &watched, &quiet, &changing)
}

/// The load's times without and with changes.
fn measured(
    fleet: &Fleet,
    late: &Late,
    watched: &[Watched],
    steady: &NewKey,
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let (admin, edges) = (fleet.admin()?, [fleet.edge(0).address()]);
    eprintln!("Measuring the kv lane: {} s without changes", late.quiet_for.as_secs());
    let load = Load::start(&edges, &steady.secret)?;
    thread::sleep(late.quiet_for);
    let quiet = load.end()?;
    eprintln!("Measuring the kv lane: {} changes within {} s", watched.len(), late.changes_over.as_secs());
    let load = Load::start(&edges, &steady.secret)?;
    let began = Instant::now();
    for (change, watched) in (1..).zip(watched) {
        admin.act(&watched.key, if watched.then == 401 { "disable" } else { "enable" }, &json!({}))?;
        watched.state(|state| state.acknowledged = Some(Instant::now()));
        let due = late.changes_over * change / u32::try_from(late.keys)?;
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    // Until all of them are known, and a while longer in which none may be forgotten.
    let patience = 2 * late.bound;
    let known = || watched.iter().all(|watched| watched.state(|state| state.took.is_some()));
    let since = Instant::now();
    while !known() && since.elapsed() < patience {
        thread::sleep(Duration::from_millis(100));
    }
    thread::sleep(late.bound / 3);
    Ok((quiet, load.end()?))
}

/// Asks for every key once a second.
fn ask_all(edge: SocketAddr, watched: &[Watched], done: &AtomicBool) -> Result<()> {
    let (mut line, pause) = (Line::to(edge)?, Duration::from_secs(1) / u32::try_from(watched.len())?);
    let mut due = Instant::now();
    for watched in watched.iter().cycle() {
        if done.load(Ordering::Relaxed) {
            return Ok(());
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        watched.answered(line.ask(&watched.question)?);
        due += pause;
    }
    Ok(())
}

fn rows(late: &Late, watched: &[Watched], quiet: &[Duration], changing: &[Duration]) -> Result<Vec<Row>> {
    let states: Vec<_> = watched.iter().map(|watched| watched.state(|state| *state)).collect();
    let took = states.iter().map(|state| state.took).collect::<Option<Vec<_>>>().context("a change was never known")?;
    let at = format!(
        "kv lane, writes shown after {} s, cached for {} s",
        late.shown_after.as_secs(),
        late.cached_for.as_secs()
    );
    let mut rows = times(&at, took, [None, Some(milliseconds(late.bound))]);
    let wrong = as_f64(states.iter().map(|state| state.wrong).sum());
    rows.push(
        Row::new("the same: wrong before the change or after it was known", wrong, "answers")
            .target(Target::AtMost(0.0)),
    );
    let [quiet, changing] = [quiet, changing].map(|times| milliseconds(percentile(times, 99)));
    rows.push(Row::new("the same: a request without changes, p99", quiet, "ms"));
    rows.push(Row::new("the same: a request with changes, p99", changing, "ms"));
    rows.push(Row::new("the same: with to without, p99", changing / quiet, "×").target(Target::AtMost(1.10)));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_before_a_change_and_after_it_was_known_is_counted() {
        let key = NewKey { workspace: String::new(), id: String::new(), secret: String::new(), generation: 0 };
        let watched = Watched { question: Question::of(""), key, then: 401, state: Mutex::default() };
        let wrong = |status| {
            watched.answered(status);
            watched.state(|state| state.wrong)
        };
        assert_eq!((wrong(200), wrong(401)), (0, 1), "refused before it was disabled");
        watched.state(|state| state.acknowledged = Some(Instant::now()));
        assert_eq!(wrong(200), 1, "not known yet");
        assert!(watched.state(|state| state.took.is_none()));
        assert_eq!(wrong(401), 1);
        assert!(watched.state(|state| state.took.is_some()));
        assert_eq!((wrong(200), wrong(401)), (2, 2), "forgotten again");
    }
}
