//! How many exports run, of a caller or by a link, and how many begin: each is told to the audit log, and is read
//! for as long as whoever asked takes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::refusal::ExportRefusal;
use crate::domain::limits::{EXPORTS_BEGUN_A_MINUTE, EXPORTS_OF_CALLER};
use crate::domain::time::UnixMillis;

/// Milliseconds of a minute.
const MINUTE: i64 = 60_000;

/// Whose an export is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// This caller's.
    Caller(Option<String>),
    /// That of the link to this one.
    Link(String),
}

/// The exports of this process.
#[derive(Clone, Default)]
pub(super) struct Exporting(Arc<Mutex<HashMap<Whose, Count>>>);

#[derive(Default)]
struct Count {
    running: u64,
    /// The minute of the last that began, and how many began in it.
    minute: i64,
    begun: u64,
}

impl Exporting {
    /// Counts one until the place is dropped, or refuses it where there are as many as there may be.
    pub(super) fn begin(&self, whose: Whose, now: UnixMillis) -> Result<ExportPlace, ExportRefusal> {
        let minute = now.as_millis().div_euclid(MINUTE);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, count| count.running > 0 || count.minute == minute);
        let count = all.entry(whose.clone()).or_default();
        if count.running >= EXPORTS_OF_CALLER {
            return Err(ExportRefusal::Running { limit: EXPORTS_OF_CALLER });
        }
        if count.minute != minute {
            (count.minute, count.begun) = (minute, 0);
        }
        if count.begun >= EXPORTS_BEGUN_A_MINUTE {
            return Err(ExportRefusal::Begun { limit: EXPORTS_BEGUN_A_MINUTE });
        }
        count.begun += 1;
        count.running += 1;
        Ok(ExportPlace { exporting: self.clone(), whose })
    }
}

/// The place of an export that runs, which it has until this is dropped.
pub struct ExportPlace {
    exporting: Exporting,
    whose: Whose,
}

impl Drop for ExportPlace {
    fn drop(&mut self) {
        let mut all = self.exporting.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.whose) {
            count.running -= 1;
        }
    }
}
