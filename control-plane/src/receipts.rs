//! Who waits to hear that edges have applied a change, that edges were heard from, and whose turn it is to report.
//!
//! Whoever waits asks before the change is committed: the head that carries it says so then, and edges
//! report at once. Knows no edge and no database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// Reports that are taken at a time: one that is written, one that is prepared.
const TURNS: usize = 2;
/// Reports that wait for a turn. Edges keep what they cannot tell.
const PLACES: usize = 64;

/// Whether anybody waits, and how often edges were heard from.
#[derive(Debug)]
pub struct Receipts {
    waiting: watch::Sender<usize>,
    reported: watch::Sender<u64>,
    /// The process stops: what is waited for may come after its end.
    ended: AtomicBool,
    turns: Semaphore,
    places: Semaphore,
}

impl Default for Receipts {
    fn default() -> Self {
        Self {
            waiting: watch::Sender::new(0),
            reported: watch::Sender::new(0),
            ended: AtomicBool::new(false),
            turns: Semaphore::new(TURNS),
            places: Semaphore::new(TURNS + PLACES),
        }
    }
}

impl Receipts {
    /// Waits to hear from edges until it is dropped.
    #[must_use]
    pub fn want(self: &Arc<Self>) -> Wanted {
        self.waiting.send_modify(|waiting| *waiting += 1);
        Wanted(Arc::clone(self))
    }

    /// Whether somebody waits.
    pub fn is_wanted(&self) -> bool {
        *self.waiting.borrow() > 0
    }

    /// Notes that a report was taken.
    pub fn reported(&self) {
        self.reported.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Has nobody wait any longer, for the process stops: changes that were made are to be answered before.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes who waits.
        self.reported();
    }

    /// Whether nobody is to wait any longer.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Waits for a turn to have a report taken; none where too many wait.
    pub async fn turn(&self) -> Option<ReportTurn<'_>> {
        let place = self.places.try_acquire().ok()?;
        let turn = self.turns.acquire().await.ok()?;
        Some(ReportTurn { _turn: turn, _place: place })
    }

    /// Changes when a report was taken, and when nobody is to wait any longer.
    pub fn reports(&self) -> watch::Receiver<u64> {
        self.reported.subscribe()
    }
}

/// A turn to have a report taken, until it is dropped.
#[derive(Debug)]
pub struct ReportTurn<'a> {
    _turn: SemaphorePermit<'a>,
    _place: SemaphorePermit<'a>,
}

/// Somebody waits for as long as it is there.
#[derive(Debug)]
pub struct Wanted(Arc<Receipts>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_waits_until_the_last_has_gone() {
        let receipts = Arc::new(Receipts::default());
        assert!(!receipts.is_wanted());
        let (one, other) = (receipts.want(), receipts.want());
        drop(one);
        assert!(receipts.is_wanted());
        drop(other);
        assert!(!receipts.is_wanted());
    }

    #[test]
    fn whoever_looks_for_reports_sees_the_next_one() {
        let receipts = Receipts::default();
        let reports = receipts.reports();
        assert!(!reports.has_changed().expect("open"));
        receipts.reported();
        assert!(reports.has_changed().expect("open"));
    }
}
