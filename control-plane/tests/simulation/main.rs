//! Publishers, KV, lanes and edges in one process, on a clock that jumps: the product's publisher and the
//! product's replica and decision, and around them a database, a network and machines that fail as a
//! seed has it. After each verdict, each record and each write it is looked at whether what must always
//! hold does.
//!
//! A seed tells the same story each time. `KEYWARD_SEED=n` tells one, and prints it; `KEYWARD_SEEDS=m..n`
//! tells those.
//!
//! i     a verdict is the truth as of the head that is held, deadlines to the millisecond (`judge.rs`)
//! ii    an edge never goes back in the order of heads (`isolate.rs`)
//! iii   what cannot be told without an object that is not there is 503 (`judge.rs`)
//! iv    nothing passes by a head that has expired (`judge.rs`)
//! v     what a usable head names is in KV, can be read in its place, and is never named again once it was
//!       given up (`kv.rs`, `record.rs`)
//! vi    what was acknowledged counts everywhere within the bound, and KV comes to the newest head whatever
//!       came late (`judge.rs`, `story.rs`)
//! vii   heads are recorded before they are served and compared before KV has them, each above the last, an
//!       epoch for each holder, who alone collects; nobody stops for good (`record.rs`, `front.rs`, `kv.rs`,
//!       `story.rs`)
//! viii  an edge that was right is never wrong again (`judge.rs`)
//! ix    at most two calls of KV a second (`kv.rs`)
//! x     a head carries what its tree lacks, and of each mutation all or nothing (`record.rs`)
//! xi    another tree takes over when edges have had the time to load it, and changes no verdict: what is
//!       warmed is believed by the same floors as what is not (`record.rs`, `judge.rs`)
//!
//! Of what must always hold by the design: fail closed is iii and iv; no way back is ii, and with a restored
//! database `takeover.rs`; the expiry of a head is iv; nothing acknowledged is lost is i, vi and x, at each
//! step that a publisher can die at in `crash.rs`; deadlines are i; one publisher is v, vii and ix. That a
//! malformed credential is told before anything is loaded, bounds before parsing, secrets that do not print,
//! and that both builds agree have no part in this, and tests of their own.

mod alone;
mod bugs;
mod chance;
mod crash;
mod database;
mod edge;
mod edge_src;
mod front;
mod host;
mod isolate;
mod judge;
mod keys;
mod kv;
mod record;
mod sim;
mod store;
mod story;
mod takeover;
mod truth;
mod view;
mod world;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bugs::{BUGS, Bug};
use sim::Invariant;
use story::{Told, tell_seed};

/// Stories told each time.
const SEEDS: u64 = 200;
/// Stories told where there is the time.
const MANY_SEEDS: u64 = 10_000;
/// Verdicts of a story, on average, without which it shows little.
const VERDICTS: u64 = 60;
/// The same of verdicts on each lane that had to know a change that none before had to know.
const BOUND: u64 = 3;
/// The same of secrets that were compared when another tree took over.
const SWITCHES: u64 = 5;

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
    let seeds = seeds();
    let [verdicts, switches, by_kv, over_http] = [const { AtomicU64::new(0) }; 4];
    let first_failed = AtomicU64::new(u64::MAX);
    let count = usize::try_from(seeds.end - seeds.start).expect("few enough");
    share(count, |at| {
        let Some(seed) = seeds.clone().nth(at).filter(|seed| *seed < first_failed.load(Ordering::Relaxed)) else {
            return;
        };
        let told = tell_seed(seed, None);
        verdicts.fetch_add(told.verdicts, Ordering::Relaxed);
        switches.fetch_add(told.switches, Ordering::Relaxed);
        by_kv.fetch_add(told.bound[0], Ordering::Relaxed);
        over_http.fetch_add(told.bound[1], Ordering::Relaxed);
        if told.violation.is_some() {
            first_failed.fetch_min(seed, Ordering::Relaxed);
        }
    });
    let failed = first_failed.load(Ordering::Relaxed);
    assert!(failed == u64::MAX, "{}", why(failed, &tell_seed(failed, None)));
    let stories = seeds.end - seeds.start;
    let (verdicts, switches) = (verdicts.into_inner(), switches.into_inner());
    let bound = [by_kv.into_inner(), over_http.into_inner()];
    println!("seeds {seeds:?}: {verdicts} verdicts, {switches} secrets compared when another tree took over");
    println!("bounds were put to the test {bound:?} times: by KV, over http");
    assert!(bound.iter().all(|bound| *bound > BOUND * stories), "bounds put to the test {bound:?} times show little");
    assert!(verdicts > VERDICTS * stories, "{verdicts} verdicts of {stories} stories show little");
    assert!(switches > SWITCHES * stories, "{switches} secrets compared in {stories} stories show little");
}

/// Those of `KEYWARD_SEEDS`, as `2000..4000`; else as many as there is the time for.
fn seeds() -> Range<u64> {
    if let Ok(range) = std::env::var("KEYWARD_SEEDS") {
        let ends = range.split_once("..").map(|(from, to)| (from.parse(), to.parse()));
        let Some((Ok(from), Ok(to))) = ends else { panic!("KEYWARD_SEEDS={range}: as 2000..4000") };
        assert!(from < to, "KEYWARD_SEEDS={range} has no seed");
        return from..to;
    }
    0..if is_long() { MANY_SEEDS } else { SEEDS }
}

/// There is the time for everything.
fn is_long() -> bool {
    std::env::var("KEYWARD_TEST_DEPTH").is_ok_and(|depth| depth == "long")
}

/// Does each of so many things, with all of the machine.
fn share(count: usize, does: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < count) {
                    does(at);
                }
            });
        }
    });
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
    share(BUGS.len(), |at| {
        if let Some((bug, expected)) = BUGS.get(at) {
            let found = catch(*bug);
            sim::lock(&caught).push((*bug, *expected, found));
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
