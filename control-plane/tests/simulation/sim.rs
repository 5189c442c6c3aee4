//! What every part of one simulated story shares: its time, its chance, what was noted, and the first
//! invariant that did not hold.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::bugs::Bug;
use crate::chance::Chance;

/// When every story begins, in milliseconds since the Unix epoch.
pub(crate) const BEGINS_MS: u64 = 1_800_000_000_000;
/// After something was out of order edges that ask over http are slow to ask again for so long.
const HTTP_SETTLES_MS: u64 = 35_000;
/// The same over KV: the publisher backs off as well, and a successor writes twice.
const KV_SETTLES_MS: u64 = 80_000;
/// Lines of a story that are kept for whoever asks why.
const KEPT_LINES: usize = 4_000;

/// A way from the publisher to an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Kv,
    Http,
}

/// All of them.
pub(crate) const BOTH: &[Lane] = &[Lane::Kv, Lane::Http];

/// What must always hold; the numerals are those of the list in `main.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invariant {
    /// i: a verdict is the truth as of the head that is held, deadlines to the millisecond.
    Truth,
    /// ii: an edge never goes back in the order of heads.
    Order,
    /// iii: what cannot be told without an object that is not there is 503.
    Unavailable,
    /// iv: nothing passes by a head that has expired.
    Expired,
    /// v: what a usable head names is in KV.
    Objects,
    /// vi: what was acknowledged counts everywhere within the bound.
    Bound,
    /// vii: heads are recorded before they are served, each above the last, an epoch for each holder.
    Record,
    /// viii: an edge that was right is never wrong again.
    Forgotten,
    /// ix: at most two calls of KV a second.
    Pace,
    /// x: a head carries what its tree lacks, and of each mutation all or nothing.
    Whole,
    /// xi: another tree takes over when edges have had the time to load it, and changes no verdict.
    Switch,
}

/// The first thing that went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) invariant: Invariant,
    pub(crate) words: String,
}

/// What the parts share.
pub(crate) struct Sim {
    pub(crate) bug: Option<Bug>,
    started: Instant,
    chance: Mutex<Chance>,
    lines: Mutex<Vec<String>>,
    violation: Mutex<Option<Violation>>,
    disturbed_until: [AtomicU64; 2],
    crowded_until: AtomicU64,
    verdicts: AtomicU64,
    bound: [AtomicU64; 2],
    switches: AtomicU64,
}

/// Locks what one thread alone uses.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sim {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        Self {
            bug,
            started: Instant::now(),
            chance: Mutex::new(Chance::new(seed)),
            lines: Mutex::default(),
            violation: Mutex::default(),
            disturbed_until: [AtomicU64::new(0), AtomicU64::new(0)],
            crowded_until: AtomicU64::new(0),
            verdicts: AtomicU64::new(0),
            bound: [AtomicU64::new(0), AtomicU64::new(0)],
            switches: AtomicU64::new(0),
        }
    }

    /// The true time.
    pub(crate) fn now(&self) -> u64 {
        BEGINS_MS + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn below(&self, end: u64) -> u64 {
        lock(&self.chance).below(end)
    }

    pub(crate) fn index(&self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(self.below(end.max(1))).unwrap_or(0)
    }

    pub(crate) fn between(&self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// Whether something happens that does once in `times`.
    pub(crate) fn once_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn one_of<'a, T>(&self, some: &'a [T]) -> Option<&'a T> {
        some.get(self.index(some.len()))
    }

    /// Waits between so many and so many milliseconds.
    pub(crate) async fn pass(&self, from_ms: u64, to_ms: u64) {
        sleep(Duration::from_millis(self.between(from_ms, to_ms))).await;
    }

    /// Something is out of order until `at` on the way to edges of those lanes, and until they have
    /// settled no bound counts there.
    pub(crate) fn disturb_until(&self, at: u64, lanes: &[Lane]) {
        for lane in lanes {
            let settles = if *lane == Lane::Http { HTTP_SETTLES_MS } else { KV_SETTLES_MS };
            self.disturbed_until[*lane as usize].fetch_max(at + settles, Ordering::Relaxed);
        }
    }

    pub(crate) fn disturbed_until(&self, lane: Lane) -> u64 {
        self.disturbed_until[lane as usize].load(Ordering::Relaxed)
    }

    /// Until then bulk work is under way: only urgent changes count within the bound.
    pub(crate) fn crowd_until(&self, at: u64) {
        self.crowded_until.fetch_max(at, Ordering::Relaxed);
    }

    pub(crate) fn crowded_until(&self) -> u64 {
        self.crowded_until.load(Ordering::Relaxed)
    }

    pub(crate) fn count_verdict(&self) {
        self.verdicts.fetch_add(1, Ordering::Relaxed);
    }

    /// How many verdicts were compared with the truth.
    pub(crate) fn verdicts(&self) -> u64 {
        self.verdicts.load(Ordering::Relaxed)
    }

    pub(crate) fn count_bound(&self, lane: Lane) {
        self.bound[lane as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Of the verdicts that were compared those that had to know a change that none before had to know: by KV,
    /// and over http.
    pub(crate) fn bound(&self) -> [u64; 2] {
        [Lane::Kv, Lane::Http].map(|lane| self.bound[lane as usize].load(Ordering::Relaxed))
    }

    pub(crate) fn count_switch(&self) {
        self.switches.fetch_add(1, Ordering::Relaxed);
    }

    /// How many secrets were known to an edge before and after another tree took over.
    pub(crate) fn switches(&self) -> u64 {
        self.switches.load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self, words: fmt::Arguments<'_>) {
        let at = self.now() - BEGINS_MS;
        let mut lines = lock(&self.lines);
        if lines.len() < KEPT_LINES {
            lines.push(format!("{:>6}.{:03} {words}", at / 1_000, at % 1_000));
        }
    }

    pub(crate) fn violate(&self, invariant: Invariant, words: fmt::Arguments<'_>) {
        self.note(format_args!("VIOLATED {invariant:?}: {words}"));
        lock(&self.violation).get_or_insert_with(|| Violation { invariant, words: words.to_string() });
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        lock(&self.violation).clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }
}
