//! Who waits to hear that edges have applied a change, that edges were heard from, and whose turn it is to report.
//!
//! Whoever waits asks before the change is committed: the head that carries it says so then, and edges
//! report at once. However many wait, one at a time looks what edges have applied, for all of them. Knows no
//! edge and no database.

use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

use crate::domain::change::Generation;

/// Reports that are taken at a time: one that is written, one that is prepared.
const TURNS: usize = 2;
/// Reports that wait for a turn. Edges keep what they cannot tell.
const PLACES: usize = 64;

/// Whether anybody waits, and how often edges were heard from.
#[derive(Debug)]
pub struct Receipts {
    waiting: watch::Sender<usize>,
    reported: watch::Sender<u64>,
    ended: watch::Sender<bool>,
    looked: Mutex<Option<Look>>,
    turns: Semaphore,
    places: Semaphore,
}

/// What every live edge had applied; none where no edge was live.
#[derive(Debug, Clone, Copy)]
struct Look {
    began_at: Instant,
    applied: Option<Generation>,
}

impl Default for Receipts {
    fn default() -> Self {
        Self {
            waiting: watch::Sender::new(0),
            reported: watch::Sender::new(0),
            ended: watch::Sender::new(false),
            looked: Mutex::default(),
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

    /// What every live edge had applied at `since` or later: what somebody else saw, or else what `look` gives.
    pub async fn applied_since<E>(
        &self,
        since: Instant,
        look: impl Future<Output = Result<Option<Generation>, E>>,
    ) -> Result<Option<Generation>, E> {
        let mut looked = self.looked.lock().await;
        if let Some(Look { began_at, applied }) = *looked
            && began_at >= since
        {
            return Ok(applied);
        }
        let began_at = Instant::now();
        let applied = look.await?;
        *looked = Some(Look { began_at, applied });
        Ok(applied)
    }

    /// Ends all waiting, now and from here on.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Until waiting is ended.
    pub async fn ended(&self) {
        // The sender lives as long as this does.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Waits for a turn to have a report taken; none where too many wait.
    pub async fn turn(&self) -> Option<ReportTurn<'_>> {
        let place = self.places.try_acquire().ok()?;
        let turn = self.turns.acquire().await.ok()?;
        Some(ReportTurn { _turn: turn, _place: place })
    }

    /// Changes when a report was taken.
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
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

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

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_sees_what_another_saw_since_and_nothing_older() {
        let receipts = Receipts::default();
        let looks = AtomicU64::new(0);
        let look = async |since: Instant| {
            let look = async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok::<_, ()>(Some(Generation(looks.fetch_add(1, Ordering::Relaxed))))
            };
            receipts.applied_since(since, look).await
        };
        let since = Instant::now();
        let seen = futures_util::future::join_all((0..100).map(|_| look(since))).await;
        assert_eq!(seen, [Ok(Some(Generation(0))); 100], "one looked for all");
        assert_eq!(look(Instant::now()).await, Ok(Some(Generation(1))), "what was seen before is not enough");
        // Whoever comes while one looks may want to see what came since: the next look is for all of those.
        let later = (0..100).map(|at| async move {
            tokio::time::sleep(Duration::from_micros(at)).await;
            look(Instant::now()).await
        });
        let seen = futures_util::future::join_all(later).await;
        assert!(seen.iter().all(Result::is_ok) && looks.load(Ordering::Relaxed) <= 4, "{looks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_is_given_up_or_fails_holds_nobody_up() {
        let receipts = Receipts::default();
        let since = Instant::now();
        let never = receipts.applied_since(since, std::future::pending::<Result<_, ()>>());
        assert!(tokio::time::timeout(Duration::from_secs(1), never).await.is_err());
        assert_eq!(receipts.applied_since(since, async { Err("away") }).await, Err("away"));
        assert_eq!(receipts.applied_since(since, async { Ok::<_, ()>(None) }).await, Ok(None));
    }
}
