//! Take an edge's report.

use keyward_shared::report::Report;

use super::{Lifecycle, Refusal};
use crate::domain::time::UnixMillis;

pub use crate::store::Taken;

impl Lifecycle {
    /// Takes a report that came at `now`. One that comes again counts once.
    pub async fn take_report(&self, report: &Report, now: UnixMillis) -> Result<Taken, Refusal> {
        Ok(self.store.take_report(report, now).await?)
    }
}
