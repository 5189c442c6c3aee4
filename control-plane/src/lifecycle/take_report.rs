//! Take an edge's report, and drop what is kept of reports no longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::{Lifecycle, Refusal};
use crate::domain::time::UnixMillis;

pub use crate::store::{Received, Taken};

/// Reports after which what is kept too long is dropped, however soon that is: whoever has edges' credential cannot
/// fill the database faster than it is emptied.
const MANY: u64 = 50_000;

/// How many reports were taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowd {
    taken: Arc<AtomicU64>,
    many: Arc<Notify>,
}

impl Crowd {
    fn count(&self) {
        if (self.taken.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(MANY) {
            self.many.notify_one();
        }
    }
}

impl Lifecycle {
    /// Takes a report that came at `now`. One that comes again counts once.
    pub async fn take_report(&self, received: &Received, now: UnixMillis) -> Result<Taken, Refusal> {
        let taken = self.store.take_report(received, now).await?;
        self.usage.forget();
        if taken == Taken::New {
            self.crowd.count();
        }
        Ok(taken)
    }

    /// Waits until so many reports were taken that it is time to [forget edges](Self::forget_edges).
    pub async fn many_reports(&self) {
        self.crowd.many.notified().await;
    }

    /// Drops what edges told that is kept no longer; says how many rows.
    pub async fn forget_edges(&self, now: UnixMillis) -> Result<u64, Refusal> {
        Ok(self.store.forget_edges(now).await?)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, timeout};

    use super::{Crowd, MANY};

    #[tokio::test(start_paused = true)]
    async fn after_many_reports_it_is_time_to_forget_once() {
        let crowd = Crowd::default();
        let is_time = async || timeout(Duration::from_secs(1), crowd.many.notified()).await.is_ok();
        for _ in 0..3 {
            (1..MANY).for_each(|_| crowd.count());
            assert!(!is_time().await);
            crowd.count();
            assert!(is_time().await);
        }
    }
}
