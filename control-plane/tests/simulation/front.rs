//! What edges reach over http: the control planes that run, behind one address.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyward_control_plane::api::snapshot::{HeadBytes, SnapshotSource};
use keyward_shared::snapshot::ObjectName;
use tokio::time::timeout;

use crate::database::Database;
use crate::host::{Host, Step};
use crate::sim::{Invariant, Sim, lock};

/// A control plane that answers.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) host: Arc<Host>,
    pub(crate) source: Arc<dyn SnapshotSource>,
}

/// The address.
pub(crate) struct Front {
    pub(crate) sim: Arc<Sim>,
    pub(crate) database: Arc<Mutex<Database>>,
    pub(crate) backends: Mutex<Vec<Backend>>,
    pub(crate) away_until: Mutex<u64>,
    /// When heads were asked for.
    pub(crate) asked_at: Mutex<Vec<u64>>,
}

/// What is asked for fails, without more words.
#[derive(Debug)]
pub(crate) struct Failed;

impl Front {
    async fn backend(&self) -> Result<Backend, Failed> {
        self.sim.pass(1, 40).await;
        if *lock(&self.away_until) > self.sim.now() {
            return Err(Failed);
        }
        let alive = |backend: &&Backend| !backend.host.is_dead();
        let backends: Vec<_> = lock(&self.backends).iter().filter(alive).cloned().collect();
        // Who has no head to give is not asked, as long as another has.
        let mut ready = Vec::new();
        for backend in &backends {
            if backend.source.head().await.is_some() {
                ready.push(backend.clone());
            }
        }
        self.sim.one_of(&ready).or(backends.first()).cloned().ok_or(Failed)
    }

    /// The newest head, or none before the first.
    pub(crate) async fn head(&self, within_ms: u64) -> Result<Option<Arc<HeadBytes>>, Failed> {
        lock(&self.asked_at).push(self.sim.now());
        let ask = async {
            let backend = self.backend().await?;
            backend.host.point(Step::Before("answer")).await;
            Ok(backend.source.head().await)
        };
        let head = timeout(Duration::from_millis(within_ms), ask).await.map_err(|_| Failed)??;
        if let Some(head) = &head
            && !lock(&self.database).recorded.contains_key(&ObjectName::of(&head.bytes))
        {
            self.sim.violate(Invariant::Record, format_args!("a head is served that is not on record"));
        }
        Ok(head)
    }

    /// An object, or none where there is none.
    pub(crate) async fn object(&self, name: &ObjectName, within_ms: u64) -> Result<Option<Vec<u8>>, Failed> {
        let ask = async {
            let backend = self.backend().await?;
            backend.source.object(&name.to_string()).await.map_err(|_| Failed)
        };
        timeout(Duration::from_millis(within_ms), ask).await.map_err(|_| Failed)?
    }
}
