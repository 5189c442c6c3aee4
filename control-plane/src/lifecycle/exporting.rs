//! How many exports one caller has running: each is told to the audit log and signed for, and is read for as long
//! as whoever asked takes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::actor::Actor;
use crate::domain::limits::EXPORTS_OF_CALLER;

/// The exports that run in this process.
#[derive(Clone, Default)]
pub(super) struct Exporting(Arc<Mutex<HashMap<Option<String>, u64>>>);

impl Exporting {
    /// Counts one of this caller until the place is dropped, or nothing if there are as many as there may be.
    pub(super) fn begin(&self, actor: &Actor) -> Option<Place> {
        let caller = actor.id();
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(caller.clone()).or_default();
        if *count >= EXPORTS_OF_CALLER {
            return None;
        }
        *count += 1;
        Some(Place { running: self.clone(), caller })
    }
}

/// An export that runs.
pub(super) struct Place {
    running: Exporting,
    caller: Option<String>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = self.running.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.caller);
            }
        }
    }
}
