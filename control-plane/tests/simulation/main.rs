//! Publishers, KV, lanes and edges in one process, on a clock that jumps: the product's publisher and the
//! product's replica and decision, and around them a database, a network and machines that fail as a
//! seed has it. After each verdict, each record and each write it is looked at whether what must always
//! hold does.
//!
//! A seed tells the same story each time. `KEYWARD_SEED=n` tells one, and prints it.
//!
//! i     a verdict is the truth as of the head that is held, deadlines to the millisecond
//! ii    an edge never goes back in the order of heads
//! iii   what cannot be told without an object that is not there is 503
//! iv    nothing passes by a head that has expired
//! v     what a usable head names is in KV
//! vi    what was acknowledged counts everywhere within the bound
//! vii   heads are recorded before they are served, each above the last, an epoch for each holder
//! viii  an edge that was right is never wrong again
//! ix    at most two calls of KV a second

mod alone;
mod bugs;
mod chance;
mod database;
mod edge;
mod edge_src;
mod front;
mod host;
mod isolate;
mod judge;
mod keys;
mod kv;
mod sim;
mod store;
mod story;
mod takeover;
mod truth;
mod view;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use bugs::{BUGS, Bug};
use sim::Invariant;
use story::{Told, tell_seed};

/// Stories told each time.
const SEEDS: u64 = 200;
/// Stories told where there is the time.
const MANY_SEEDS: u64 = 10_000;
/// Machines have that many cores at least.
const THREADS: usize = 2;
/// Verdicts of a story, on average, without which it shows little.
const VERDICTS: u64 = 60;

fn why(seed: u64, told: &Told) -> String {
    let last = told.lines.len().saturating_sub(60);
    let broken = told.violation.as_ref().map(|violation| format!("{:?}: {}", violation.invariant, violation.words));
    format!("KEYWARD_SEED={seed}\n{}\n{}", told.lines[last..].join("\n"), broken.unwrap_or_default())
}

#[test]
fn whatever_happens_what_must_always_hold_does() {
    if let Some(seed) = std::env::var("KEYWARD_SEED").ok().and_then(|seed| seed.parse().ok()) {
        let told = tell_seed(seed, None);
        println!("{}", told.lines.join("\n"));
        assert!(told.violation.is_none(), "{}", why(seed, &told));
        return;
    }
    let long = std::env::var("KEYWARD_TEST_DEPTH").is_ok_and(|depth| depth == "long");
    let seeds = if long { MANY_SEEDS } else { SEEDS };
    let verdicts = AtomicU64::new(0);
    let first_failed = AtomicU64::new(u64::MAX);
    std::thread::scope(|scope| {
        for thread in (0..).take(THREADS) {
            let (verdicts, first_failed) = (&verdicts, &first_failed);
            scope.spawn(move || {
                for seed in (thread..seeds).step_by(THREADS) {
                    if first_failed.load(Ordering::Relaxed) < seed {
                        return;
                    }
                    let told = tell_seed(seed, None);
                    verdicts.fetch_add(told.verdicts, Ordering::Relaxed);
                    if told.violation.is_some() {
                        first_failed.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failed = first_failed.load(Ordering::Relaxed);
    assert!(failed == u64::MAX, "{}", why(failed, &tell_seed(failed, None)));
    let verdicts = verdicts.load(Ordering::Relaxed);
    assert!(verdicts > VERDICTS * seeds, "{verdicts} verdicts of {seeds} stories show little");
}

#[test]
fn a_seed_tells_the_same_story_each_time() {
    for seed in 0..5 {
        let (one, other) = (tell_seed(seed, None), tell_seed(seed, None));
        assert!(one.lines == other.lines, "seed {seed}");
    }
}

/// The first seed that catches a bug, with the invariant that it breaks there.
fn catch(bug: Bug) -> Option<(u64, Invariant)> {
    (0..SEEDS).find_map(|seed| Some((seed, tell_seed(seed, Some(bug)).violation?.invariant)))
}

#[test]
fn each_bug_that_is_put_in_is_caught() {
    let caught = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for half in [0, 1] {
            let caught = &caught;
            scope.spawn(move || {
                for (bug, expected) in BUGS.iter().skip(half).step_by(2) {
                    let found = catch(*bug);
                    sim::lock(caught).push((*bug, *expected, found));
                }
            });
        }
    });
    let mut missed = Vec::new();
    for (bug, expected, found) in caught.into_inner().expect("both have ended") {
        match found {
            Some((seed, invariant)) => println!("{bug:?}: seed {seed}, {invariant:?}"),
            None => println!("{bug:?}: not caught"),
        }
        if !found.is_some_and(|(_, invariant)| expected.contains(&invariant)) {
            missed.push((bug, expected, found));
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}
