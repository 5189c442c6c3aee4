//! Take an edge's report, and drop what is kept of reports no longer.

use keyward_shared::report::Report;

use super::{Lifecycle, Refusal};
use crate::domain::time::UnixMillis;

pub use crate::store::Taken;

impl Lifecycle {
    /// Takes a report that came at `now`. One that comes again counts once.
    pub async fn take_report(&self, report: &Report, now: UnixMillis) -> Result<Taken, Refusal> {
        let taken = self.store.take_report(report, now).await?;
        self.usage.forget();
        Ok(taken)
    }

    /// Drops what edges told that is kept no longer; says how many rows.
    pub async fn forget_edges(&self, now: UnixMillis) -> Result<u64, Refusal> {
        Ok(self.store.forget_edges(now).await?)
    }
}
